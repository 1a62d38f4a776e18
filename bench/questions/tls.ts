import { cpuPerRequest, subjectsOf } from '../harness/turns.ts';
import { PEERS } from '../peers/registry.ts';
import { type Question, sceneOf } from './question.ts';

/** What does it cost when clients come by TLS and keep their connections? Handshakes are 64 in a run: they do not show. */
export const tls: Question = {
  name: 'tls',
  title: 'A proxied request by TLS',
  ask: (bench) =>
    cpuPerRequest(
      bench,
      'TLS, HTTP/1.1 keep-alive',
      subjectsOf(PEERS, { ...sceneOf(bench), tls: bench.tls }, { path: '/', script: null }),
      { of: 'nginx', must: 1.8, aim: 1.2 },
    ),
};
