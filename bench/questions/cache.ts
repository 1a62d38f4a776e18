import { versionOf } from '../harness/machine.ts';
import { cpuPerRequest, joinAnswers, subjectsOf } from '../harness/turns.ts';
import { haproxyCache } from '../peers/haproxy.ts';
import { nginxCache, nginxCacheAgain } from '../peers/nginx.ts';
import { CACHED_SIZES, cachedPath } from '../peers/peer.ts';
import { sluiceCache } from '../peers/sluice.ts';
import { varnishCache } from '../peers/varnish.ts';
import { type Answer, type Question, sceneOf } from './question.ts';

/** What does it cost to give what is kept? */
export const cache: Question = {
  name: 'cache',
  title: 'Answers from the cache',
  async ask(bench) {
    const hasVarnish = versionOf('varnishd', '-V') !== null;
    const peers = [sluiceCache, nginxCache, nginxCacheAgain, haproxyCache, ...(hasVarnish ? [varnishCache] : [])];
    const answers: Answer[] = [];
    for (const bytes of CACHED_SIZES) {
      const load = { path: cachedPath(bytes), script: null };
      const subjects = subjectsOf(peers, sceneOf(bench), load);
      const bar = { of: 'nginx', must: 1.1, aim: 0.9 } as const;
      answers.push(await cpuPerRequest(bench, `cache hit, ${bytes / 1024} KiB`, subjects, bar));
    }
    const notes = [
      'One object, asked for again and again. nginx has it in a file, the others have it in their memory.',
    ];
    if (!hasVarnish) notes.push('Varnish is not installed here: `apt-get install -y varnish`.');
    const joined = joinAnswers(answers);
    return { ...joined, notes: [...joined.notes, ...notes] };
  },
};
