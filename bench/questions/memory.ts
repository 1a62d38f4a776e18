import { setTimeout as sleep } from 'node:timers/promises';
import { LOAD_CORE, openFilesLimit } from '../harness/machine.ts';
import { runWrk } from '../harness/wrk.ts';
import { Connection } from '../load/connection.ts';
import { PEER_LABEL, type PeerName, type RunningPeer } from '../peers/peer.ts';
import { PEERS } from '../peers/registry.ts';
import { bundleSluice, chooseEntry, sluiceEntry } from '../peers/sluice.ts';
import { type Answer, type Bench, number, type Question, sceneOf } from './question.ts';

/** The first ones pay for arenas and buffers that serve all; what counts is what each further one costs. */
const BASE_CONNECTIONS = 500;
const CONNECTIONS = 5_000;
/** Few enough that pools to the service stay small, which are not what is measured here. */
const AT_ONCE = 16;
const SETTLE_MS = 3_000;
const SPARE_FILES = 500;
const REQUEST = 'GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n';

const MB = 1e6;
const KB = 1e3;

interface Memory {
  name: PeerName;
  idle: number;
  afterLoad: number;
  perConnection: number;
  lost: number;
}

/** A connection that has had one answer and stays open. */
function openIdle(port: number, lost: () => void): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection = new Connection(port, (ready) => ready.ask(REQUEST, 0));
    connection.onGone = () => {
      lost();
      reject(new Error('an idle connection was refused or closed'));
    };
    connection.onAnswer = () => resolve(connection);
  });
}

async function openMany(port: number, count: number, opened: Connection[], lost: () => void): Promise<void> {
  let left = count;
  const opener = async (): Promise<void> => {
    while (left > 0) {
      left--;
      opened.push(await openIdle(port, lost));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, opener));
}

async function measure(bench: Bench, running: RunningPeer, connections: number): Promise<Memory> {
  const settle = bench.quick ? 1_000 : SETTLE_MS;
  const opened: Connection[] = [];
  let lost = 0;
  await sleep(settle);
  const idle = running.residentBytes();
  await runWrk(running.origin, { path: '/', script: null }, bench.seconds);
  await sleep(settle);
  const afterLoad = running.residentBytes();
  try {
    await openMany(running.port, BASE_CONNECTIONS, opened, () => lost++);
    await sleep(settle);
    const base = running.residentBytes();
    await openMany(running.port, connections, opened, () => lost++);
    await sleep(settle);
    const perConnection = (running.residentBytes() - base) / connections;
    return { name: running.name, idle, afterLoad, perConnection, lost };
  } finally {
    for (const connection of opened) connection.destroy();
  }
}

function answerOf(results: readonly Memory[], connections: number, failures: string[]): Answer {
  const pick = (value: (result: Memory) => number): Partial<Record<PeerName, number>> =>
    Object.fromEntries(results.map((result) => [result.name, value(result)]));
  for (const { name, lost } of results) {
    if (lost > 0) failures.push(`${PEER_LABEL[name]}: ${lost} idle connections were closed`);
  }
  return {
    figures: [
      {
        measure: 'resident memory, one worker, idle',
        unit: 'MB',
        values: pick((result) => result.idle / MB),
        bar: { of: 'itself', must: 120, aim: 80 },
      },
      {
        measure: 'resident memory per idle connection',
        unit: 'KB',
        values: pick((result) => result.perConnection / KB),
        bar: { of: 'itself', must: 12, aim: 6 },
      },
    ],
    tables: [
      {
        columns: ['gateway', 'idle MB', 'idle after load MB', `KB per connection of ${number(connections, 0)}`],
        rows: results.map((result) => [
          PEER_LABEL[result.name],
          number(result.idle / MB, 1),
          number(result.afterLoad / MB, 1),
          number(result.perConnection / KB, 2),
        ]),
      },
    ],
    notes: [
      'VmRSS of all its processes. A connection is one that had one answer and stays; the first 500 are not counted.',
      sluiceEntry().includes('dist')
        ? 'Sluice ran from its bundle.'
        : 'Sluice ran from its sources, not from a bundle.',
    ],
    failures,
  };
}

/** What does a gateway hold that nobody uses, and what does a connection hold that nobody uses? */
export const memory: Question = {
  name: 'memory',
  title: 'Memory at rest',
  async ask(bench) {
    const failures: string[] = [];
    const results: Memory[] = [];
    const fromSources = sluiceEntry();
    if (fromSources.endsWith('bin/sluice.js')) chooseEntry(await bundleSluice(LOAD_CORE));
    const connections = Math.min(CONNECTIONS, openFilesLimit() - BASE_CONNECTIONS - SPARE_FILES);
    for (const peer of PEERS) {
      let running: RunningPeer | null = null;
      try {
        running = await peer.start(sceneOf(bench));
        const result = await measure(bench, running, connections);
        results.push(result);
        bench.say(
          `  ${PEER_LABEL[peer.name].padEnd(28)} ${number(result.idle / MB).padStart(7)} MB  ${number(result.perConnection / KB, 2).padStart(7)} KB per connection`,
        );
      } catch (error) {
        failures.push(`${PEER_LABEL[peer.name]}: ${error instanceof Error ? error.message : String(error)}`);
        bench.say(`  !!! ${failures.at(-1)}`);
      } finally {
        await running?.stop();
      }
    }
    const answer = answerOf(results, connections, failures);
    chooseEntry(fromSources);
    return answer;
  },
};
