import { setTimeout as sleep } from 'node:timers/promises';
import { readOpenLoop, startOpenLoop } from '../harness/open-loop.ts';
import { median } from '../harness/stats.ts';
import { type LoadResult, readWrk, startWrk } from '../harness/wrk.ts';
import type { OpenLoopResult } from '../load/open-loop.ts';
import { nginx } from '../peers/nginx.ts';
import {
  ask,
  GENERATION_PATH,
  PEER_LABEL,
  type Peer,
  type PeerName,
  type RunningPeer,
  routePath,
} from '../peers/peer.ts';
import { sluice } from '../peers/sluice.ts';
import { type Answer, type Bar, type Bench, number, type Question, sceneOf } from './question.ts';

const RELOADS = 50;
const QUICK_RELOADS = 3;
const PER_SECOND = 2_000;
const CONNECTIONS = 64;
const TAKES_EFFECT_MS = 20_000;
/** More than 50 reloads of the slowest gateway may take: the load is ended when the last reload has taken effect. */
const LOAD_BOUND_SECONDS = 600;
/** Between a reload's effect and the next one: workers that are on their way out should not pile up without bound. */
const PAUSE_MS = 100;
const WARM_UP_MS = 2_500;
/** With 10,000 locations nginx takes seconds to reload: that is known, and would take most of a run to show again. */
const MATCHES: readonly { routes: number; peers: readonly Peer[] }[] = [
  { routes: 10, peers: [sluice, nginx] },
  { routes: 10_000, peers: [sluice] },
];
const PATHS = 10;
const P99_MUST_MS = 20;

interface Reloaded {
  name: PeerName;
  routes: number;
  done: number;
  medianMs: number;
  slowestMs: number;
  full: LoadResult;
  fixed: OpenLoopResult;
}

/** Reloads until each has shown its effect; returns how long that took, in milliseconds. */
async function reloadRepeatedly(running: RunningPeer, first: number, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let generation = first; generation < first + count; generation++) {
    const begin = performance.now();
    running.reload(generation);
    for (;;) {
      // A new connection each time, so an old nginx worker that is on its way out does not answer.
      const seen = await ask(running.origin, GENERATION_PATH).catch(() => null);
      if (seen?.body.trim() === String(generation)) break;
      if (performance.now() - begin > TAKES_EFFECT_MS) throw new Error(`reload ${generation} took no effect`);
      await sleep(10);
    }
    times.push(performance.now() - begin);
    await sleep(PAUSE_MS);
  }
  return times;
}

async function measure(bench: Bench, peer: Peer, routes: number, count: number): Promise<Reloaded> {
  const running = await peer.start({ ...sceneOf(bench), routes });
  try {
    const path = `${routePath(0)}/1`;
    const wrk = startWrk(running.origin, { path, script: null }, LOAD_BOUND_SECONDS);
    await sleep(WARM_UP_MS);
    const times = await reloadRepeatedly(running, 1, count).finally(() => wrk.child.kill('SIGINT'));
    const full = readWrk(await wrk.finish(5_000));

    const steady = startOpenLoop({
      port: running.port,
      paths: Array.from({ length: PATHS }, (_, index) => `${routePath(index)}/1`),
      perSecond: PER_SECOND,
      seconds: LOAD_BOUND_SECONDS,
      connections: CONNECTIONS,
    });
    await sleep(WARM_UP_MS);
    times.push(...(await reloadRepeatedly(running, 1 + count, count).finally(() => steady.child.kill('SIGTERM'))));
    const fixed = readOpenLoop(await steady.finish(10_000));
    const result = { name: peer.name, routes, done: count, medianMs: median(times), slowestMs: Math.max(...times) };
    return { ...result, full, fixed };
  } finally {
    await running.stop();
  }
}

const lostUnderFullLoad = (result: Reloaded): number => result.full.socketErrors + result.full.wrongStatus;

function figuresOf(results: readonly Reloaded[], routes: number, reloads: number): Answer['figures'] {
  const of = (pick: (result: Reloaded) => number): Partial<Record<PeerName, number>> =>
    Object.fromEntries(
      results.filter((result) => result.routes === routes).map((result) => [result.name, pick(result)]),
    );
  const under = `${number(routes, 0)} routes, ${reloads} reloads`;
  const none: Bar = { of: 'itself', must: 0, aim: 0 };
  return [
    {
      measure: `${under} under full load: failed requests or closed connections`,
      unit: '',
      values: of(lostUnderFullLoad),
      bar: none,
    },
    {
      measure: `${under} at ${number(PER_SECOND, 0)} requests/s: failed requests or closed connections`,
      unit: '',
      values: of((result) => result.fixed.failed + result.fixed.closed),
      bar: none,
    },
    {
      measure: `${under} at ${number(PER_SECOND, 0)} requests/s: p99 of the worst second`,
      unit: 'ms',
      values: of((result) => result.fixed.worstSecondP99),
      bar: { of: 'itself', must: P99_MUST_MS, aim: null },
    },
  ];
}

function answerOf(results: readonly Reloaded[], reloads: number, failures: string[]): Answer {
  return {
    figures: MATCHES.flatMap(({ routes }) => figuresOf(results, routes, reloads)),
    tables: [
      {
        columns: [
          'gateway',
          'routes',
          'reloads',
          'lost under full load',
          'of requests',
          'lost at fixed rate',
          'p50 ms',
          'p99 ms',
          'p99.9 ms',
          'worst second’s p99 ms',
          'max ms',
          'reload takes effect after ms',
          'slowest ms',
        ],
        rows: results.map((result) => [
          PEER_LABEL[result.name],
          number(result.routes, 0),
          `2 × ${result.done}`,
          number(lostUnderFullLoad(result), 0),
          number(result.full.requests, 0),
          number(result.fixed.failed + result.fixed.closed, 0),
          number(result.fixed.p50, 2),
          number(result.fixed.p99, 2),
          number(result.fixed.p999, 2),
          number(result.fixed.worstSecondP99, 2),
          number(result.fixed.max, 1),
          number(result.medianMs, 0),
          number(result.slowestMs, 0),
        ]),
      },
    ],
    notes: [
      'Each reload changes the file and counts as done when the change shows. All of a gateway’s threads share its core, so what a reload computes competes with requests.',
      '“Lost” holds requests that failed and kept-alive connections that were closed.',
    ],
    failures,
  };
}

/** Do clients notice a reload? */
export const reload: Question = {
  name: 'reload',
  title: 'Reloads under load',
  async ask(bench) {
    const failures: string[] = [];
    const results: Reloaded[] = [];
    const reloads = bench.quick ? QUICK_RELOADS : RELOADS;
    for (const { routes, peers } of MATCHES) {
      for (const peer of peers) {
        try {
          const result = await measure(bench, peer, routes, reloads);
          results.push(result);
          bench.say(
            `  ${PEER_LABEL[peer.name].padEnd(10)} ${number(routes, 0).padStart(7)} routes  lost ${lostUnderFullLoad(result)} + ${result.fixed.failed + result.fixed.closed}` +
              `  worst second's p99 ${number(result.fixed.worstSecondP99, 2)} ms  takes effect after ${number(result.medianMs, 0)} ms`,
          );
        } catch (error) {
          failures.push(
            `${PEER_LABEL[peer.name]}, ${routes} routes: ${error instanceof Error ? error.message : String(error)}`,
          );
          bench.say(`  !!! ${failures.at(-1)}`);
        }
      }
    }
    return answerOf(results, reloads, failures);
  },
};
