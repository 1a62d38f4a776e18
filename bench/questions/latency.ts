import { setTimeout as sleep } from 'node:timers/promises';
import { runOpenLoop } from '../harness/open-loop.ts';
import { median } from '../harness/stats.ts';
import { runWrk } from '../harness/wrk.ts';
import type { OpenLoopResult } from '../load/open-loop.ts';
import { PEER_LABEL, type PeerName, type RunningPeer } from '../peers/peer.ts';
import { PEERS } from '../peers/registry.ts';
import { type Answer, type Bench, number, type Question, sceneOf } from './question.ts';

/** Half of what the slowest of them can do on a slow machine: beyond that it is a queue that is measured. */
const PER_SECOND = 2_000;
const CONNECTIONS = 64;
const WARM_UP_SECONDS = 4;

interface Line {
  label: string;
  name: PeerName | null;
  port: number;
  results: OpenLoopResult[];
}

const micros = (line: Line, pick: (result: OpenLoopResult) => number): number => median(line.results.map(pick)) * 1000;
const failed = (line: Line): number => line.results.reduce((sum, result) => sum + result.failed + result.closed, 0);

async function measure(bench: Bench, lines: readonly Line[]): Promise<void> {
  for (let round = 0; round < bench.rounds; round++) {
    for (let index = 0; index < lines.length; index++) {
      const line = lines[(index + round) % lines.length];
      if (!line) continue;
      const { port } = line;
      const options = { port, paths: ['/'], perSecond: PER_SECOND, seconds: bench.seconds, connections: CONNECTIONS };
      const result = await runOpenLoop(options);
      line.results.push(result);
      bench.say(
        `  ${round + 1}/${bench.rounds} ${line.label.padEnd(28)} p50 ${number(result.p50 * 1000, 0).padStart(6)} µs` +
          `  p99 ${number(result.p99 * 1000, 0).padStart(6)} µs  failed ${result.failed}`,
      );
    }
  }
}

function answerOf(direct: Line, lines: readonly Line[], failures: string[]): Answer {
  const p50: Partial<Record<PeerName, number>> = {};
  const p99: Partial<Record<PeerName, number>> = {};
  for (const line of lines) {
    if (failed(line) > 0) failures.push(`${line.label}: ${failed(line)} requests failed or connections closed`);
    if (line.name === null) continue;
    p50[line.name] = micros(line, (result) => result.p50) - micros(direct, (result) => result.p50);
    p99[line.name] = micros(line, (result) => result.p99) - micros(direct, (result) => result.p99);
  }
  return {
    figures: [
      { measure: `added p50 at ${number(PER_SECOND, 0)} requests/s`, unit: 'µs', values: p50, bar: null },
      { measure: `added p99 at ${number(PER_SECOND, 0)} requests/s`, unit: 'µs', values: p99, bar: null },
    ],
    tables: [
      {
        columns: ['by way of', 'p50 µs', 'p99 µs', 'p99.9 µs', 'max µs', 'added p50', 'added p99', 'failed'],
        rows: lines.map((line) => [
          line.label,
          number(
            micros(line, (result) => result.p50),
            0,
          ),
          number(
            micros(line, (result) => result.p99),
            0,
          ),
          number(
            micros(line, (result) => result.p999),
            0,
          ),
          number(
            micros(line, (result) => result.max),
            0,
          ),
          line.name === null ? '–' : number(p50[line.name] ?? Number.NaN, 0),
          line.name === null ? '–' : number(p99[line.name] ?? Number.NaN, 0),
          number(failed(line), 0),
        ]),
      },
    ],
    notes: [
      `Open loop: ${number(PER_SECOND, 0)} requests/s over ${CONNECTIONS} connections start when they are due, whatever became of those before.`,
    ],
    failures,
  };
}

/** How much later is an answer for having come through the gateway? */
export const latency: Question = {
  name: 'latency',
  title: 'Added latency at a fixed rate',
  async ask(bench) {
    const failures: string[] = [];
    const running: RunningPeer[] = [];
    const direct: Line = { label: 'direct', name: null, port: bench.upstreamPort, results: [] };
    const lines = [direct];
    try {
      for (const peer of PEERS) {
        try {
          const started = await peer.start(sceneOf(bench));
          running.push(started);
          await runWrk(started.origin, { path: '/', script: null }, bench.quick ? 1 : WARM_UP_SECONDS);
          lines.push({ label: PEER_LABEL[peer.name], name: peer.name, port: started.port, results: [] });
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
          bench.say(`  !!! ${failures.at(-1)}`);
        }
      }
      await sleep(500);
      await measure(bench, lines);
    } finally {
      await Promise.all(running.map((each) => each.stop()));
    }
    return answerOf(direct, lines, failures);
  },
};
