import { makeTokens } from '../harness/tokens.ts';
import { cpuPerRequest, subjectsOf } from '../harness/turns.ts';
import { haproxyWithTokens } from '../peers/haproxy.ts';
import { sluiceWithTokens } from '../peers/sluice.ts';
import { type Question, sceneOf } from './question.ts';

/** More than a gateway could tell apart by luck, and few enough to be seen again and again, as in a minute of real traffic. */
export const TOKENS = 100;
export const REMEMBERED =
  'HAProxy verifies the signature of every request; Sluice remembers a verified token until it expires, its key leaves, or it is revoked.';

/** What does it cost to know who calls: RS256 tokens, an identity header, an access log, metrics? */
export const jwt: Question = {
  name: 'jwt',
  title: 'Requests with tokens',
  async ask(bench) {
    const tokens = makeTokens(bench.directory, TOKENS);
    const peers = [sluiceWithTokens(tokens, false), haproxyWithTokens(tokens, false)];
    const answer = await cpuPerRequest(
      bench,
      `JWT (RS256, ${TOKENS} tokens), identity header, access log`,
      subjectsOf(peers, sceneOf(bench), { path: '/', script: tokens.script }),
      { of: 'haproxy', must: 0.55, aim: 0.45 },
    );
    return { ...answer, notes: [...answer.notes, REMEMBERED] };
  },
};
