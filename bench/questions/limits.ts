import { makeTokens } from '../harness/tokens.ts';
import { cpuPerRequest, subjectsOf } from '../harness/turns.ts';
import { haproxyWithTokens } from '../peers/haproxy.ts';
import { sluiceWithTokens } from '../peers/sluice.ts';
import { REMEMBERED, TOKENS } from './jwt.ts';
import { type Question, sceneOf } from './question.ts';

/** What does an API gateway's usual day cost: who calls, whether that is too often, what to tell the service and the log? */
export const limits: Question = {
  name: 'limits',
  title: 'Requests with tokens and a limit for each user',
  async ask(bench) {
    const tokens = makeTokens(bench.directory, TOKENS);
    const peers = [sluiceWithTokens(tokens, true), haproxyWithTokens(tokens, true)];
    const answer = await cpuPerRequest(
      bench,
      `JWT (RS256, ${TOKENS} tokens), limit per user, identity header, access log`,
      subjectsOf(peers, sceneOf(bench), { path: '/', script: tokens.script }),
      { of: 'haproxy', must: 0.55, aim: 0.45 },
    );
    const note = 'HAProxy counts in a stick table of its one process; Sluice in memory that all of its workers share.';
    const lines = 'Both write a line with the same eight fields; the usual line of Sluice has up to 26.';
    return { ...answer, notes: [...answer.notes, REMEMBERED, note, lines] };
  },
};
