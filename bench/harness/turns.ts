import { setTimeout as sleep } from 'node:timers/promises';
import type { Peer, PeerName, RunningPeer, Scene } from '../peers/peer.ts';
import { PEER_LABEL } from '../peers/peer.ts';
import { type Answer, type Bar, type Bench, number, percent, type Table } from '../questions/question.ts';
import { coreLoad, coreTimes, GATEWAY_CORE, LOAD_CORE } from './machine.ts';
import { mean, median, spread } from './stats.ts';
import { type Load, runWrk } from './wrk.ts';

/** One gateway under one load. The same gateway may come several times, e.g. with few and with many routes. */
export interface Subject {
  label: string;
  peer: Peer;
  scene: Scene;
  load: Load;
}

interface Turn {
  microseconds: number;
  perSecond: number;
  gatewayCore: number;
  loadCore: number;
  failed: number;
}

/** V8 needs some ten thousand requests before its code is what it will be; the others do not mind. */
const WARM_UP_SECONDS = 4;
const QUICK_WARM_UP_SECONDS = 1;
const PAUSE_MS = 200;

async function takeTurn(running: RunningPeer, load: Load, seconds: number): Promise<Turn> {
  const gatewayBefore = coreTimes(GATEWAY_CORE);
  const loadBefore = coreTimes(LOAD_CORE);
  const cpuBefore = running.cpuSeconds();
  const result = await runWrk(running.origin, load, seconds);
  const cpu = running.cpuSeconds() - cpuBefore;
  return {
    microseconds: (cpu * 1e6) / result.requests,
    perSecond: result.requests / result.seconds,
    gatewayCore: coreLoad(gatewayBefore, coreTimes(GATEWAY_CORE)),
    loadCore: coreLoad(loadBefore, coreTimes(LOAD_CORE)),
    failed: result.socketErrors + result.wrongStatus,
  };
}

interface Measured {
  subject: Subject;
  turns: Turn[];
}

/** Starts what can be started, then measures in turns, so that whatever else the machine does hits all alike. */
async function measureInTurns(
  bench: Bench,
  subjects: readonly Subject[],
): Promise<{ measured: Measured[]; failures: string[] }> {
  const failures: string[] = [];
  const fields: { running: RunningPeer; measured: Measured }[] = [];
  try {
    for (const subject of subjects) {
      try {
        const running = await subject.peer.start(subject.scene);
        fields.push({ running, measured: { subject, turns: [] } });
        await runWrk(running.origin, subject.load, bench.quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS);
      } catch (error) {
        failures.push(`${subject.label}: ${error instanceof Error ? error.message : String(error)}`);
        bench.say(`  !!! ${failures.at(-1)}`);
      }
    }
    for (let round = 0; round < bench.rounds; round++) {
      // The order shifts from round to round: nobody always comes after the same one.
      for (let index = 0; index < fields.length; index++) {
        const field = fields[(index + round) % fields.length];
        if (!field) continue;
        await sleep(PAUSE_MS);
        const turn = await takeTurn(field.running, field.measured.subject.load, bench.seconds);
        field.measured.turns.push(turn);
        bench.say(
          `  ${round + 1}/${bench.rounds} ${field.measured.subject.label.padEnd(28)} ${number(turn.microseconds, 2).padStart(9)} µs` +
            `  ${number(turn.perSecond, 0).padStart(7)}/s  cores ${percent(turn.gatewayCore)}, ${percent(turn.loadCore)}` +
            (turn.failed > 0 ? `  ${turn.failed} FAILED` : ''),
        );
      }
    }
  } finally {
    await Promise.all(fields.map((field) => field.running.stop()));
  }
  return { measured: fields.map((field) => field.measured).filter(({ turns }) => turns.length > 0), failures };
}

const micros = (measured: Measured): number => median(measured.turns.map((turn) => turn.microseconds));

function turnsTable(measured: readonly Measured[], reference: number): Table {
  return {
    columns: [
      'gateway',
      'CPU µs/request',
      '÷ nginx',
      'spread of rounds',
      'requests/s',
      'gateway core',
      'load core',
      'failed',
    ],
    rows: measured.map((each) => [
      each.subject.label,
      number(micros(each), 2),
      number(micros(each) / reference, 2),
      percent(spread(each.turns.map((turn) => turn.microseconds))),
      number(median(each.turns.map((turn) => turn.perSecond)), 0),
      percent(mean(each.turns.map((turn) => turn.gatewayCore))),
      percent(mean(each.turns.map((turn) => turn.loadCore))),
      number(
        each.turns.reduce((sum, turn) => sum + turn.failed, 0),
        0,
      ),
    ]),
  };
}

/** CPU time per proxied request of every subject; the last of a peer's subjects is the one that stands in the figure. */
export async function cpuPerRequest(
  bench: Bench,
  measure: string,
  subjects: readonly Subject[],
  bar: Bar | null,
): Promise<Answer> {
  const { measured, failures } = await measureInTurns(bench, subjects);
  const values: Partial<Record<PeerName, number>> = {};
  for (const each of measured) {
    const failed = each.turns.reduce((sum, turn) => sum + turn.failed, 0);
    if (failed > 0) failures.push(`${each.subject.label}: ${failed} requests failed in "${measure}"`);
    values[each.subject.peer.name] = micros(each);
  }
  return {
    figures: [{ measure: `${measure}, CPU per request`, unit: 'µs', values, bar }],
    tables: [turnsTable(measured, values.nginx ?? Number.NaN)],
    notes: [],
    failures,
  };
}

/** The same load against the same kind of gateway, each under its own name. */
export function subjectsOf(peers: readonly Peer[], scene: Scene, load: Load): Subject[] {
  return peers.map((peer) => ({ label: PEER_LABEL[peer.name], peer, scene, load }));
}

export function joinAnswers(answers: readonly Answer[]): Answer {
  return {
    figures: answers.flatMap((answer) => answer.figures),
    tables: answers.flatMap((answer) => answer.tables),
    notes: [...new Set(answers.flatMap((answer) => answer.notes))],
    failures: [...new Set(answers.flatMap((answer) => answer.failures))],
  };
}
