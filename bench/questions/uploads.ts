import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuPerRequest, joinAnswers, subjectsOf } from '../harness/turns.ts';
import { PEERS } from '../peers/registry.ts';
import { type Answer, type Question, sceneOf } from './question.ts';

const SIZES = [
  { name: 'POST of 1 KiB', bytes: 1024 },
  { name: 'POST of 64 KiB', bytes: 64 * 1024 },
] as const;

/** What does it cost to move bytes to services? The service reads the body whole before it answers. */
export const uploads: Question = {
  name: 'uploads',
  title: 'Request bodies',
  async ask(bench) {
    const answers: Answer[] = [];
    for (const { name, bytes } of SIZES) {
      const script = join(bench.directory, `post-${bytes}.lua`);
      writeFileSync(
        script,
        `wrk.method = "POST"\nwrk.body = string.rep("x", ${bytes})\nwrk.headers["content-type"] = "application/octet-stream"\n`,
      );
      answers.push(
        await cpuPerRequest(bench, name, subjectsOf(PEERS, sceneOf(bench), { path: '/upload', script }), null),
      );
    }
    return joinAnswers(answers);
  },
};
