import { cpuPerRequest, joinAnswers, subjectsOf } from '../harness/turns.ts';
import { PEERS } from '../peers/registry.ts';
import { type Answer, type Bar, type Question, sceneOf } from './question.ts';

const SIZES: readonly { name: string; path: string; bar: Bar | null }[] = [
  { name: '100 KiB response', path: '/files/100KiB', bar: null },
  { name: '1 MiB response', path: '/files/1MiB', bar: { of: 'nginx', must: 1.0, aim: 0.7 } },
];

/** What does it cost to move bytes to clients? */
export const responses: Question = {
  name: 'responses',
  title: 'Large responses',
  async ask(bench) {
    const answers: Answer[] = [];
    for (const { name, path, bar } of SIZES) {
      answers.push(await cpuPerRequest(bench, name, subjectsOf(PEERS, sceneOf(bench), { path, script: null }), bar));
    }
    return joinAnswers(answers);
  },
};
