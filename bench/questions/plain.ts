import { cpuPerRequest, subjectsOf } from '../harness/turns.ts';
import { PEERS } from '../peers/registry.ts';
import { type Question, sceneOf } from './question.ts';

/** What does it cost to pass one small GET on and its small answer back? */
export const plain: Question = {
  name: 'plain',
  title: 'A plain proxied request',
  ask: (bench) =>
    cpuPerRequest(bench, 'plain request', subjectsOf(PEERS, sceneOf(bench), { path: '/', script: null }), {
      of: 'nginx',
      must: 1.25,
      aim: 1.0,
    }),
};
