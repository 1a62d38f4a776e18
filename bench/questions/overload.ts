import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LOAD_CORE } from '../harness/machine.ts';
import { NODE, Started } from '../harness/process.ts';
import { median } from '../harness/stats.ts';
import type { ClassLoad, ClassResult, OverloadOptions, OverloadResult } from '../load/overload.ts';
import type { SlotsOptions, SlotsResult } from '../load/slots.ts';
import { sluiceWithPlaces } from '../peers/sluice.ts';
import { type Answer, type Bench, number, type Question, sceneOf } from './question.ts';

const SLOTS = 50;
const SERVICE_MS = 10;
const CAPACITY = (SLOTS * 1000) / SERVICE_MS;
const EXCESS = 4;
/** A twentieth of what the service can do is important, the rest is not, half of it even less. */
const HIGH = CAPACITY / 20;
const OTHERS = (CAPACITY * EXCESS - HIGH) / 2;
/** Enough that none of a class waits for a connection of its own. */
const HIGH_CONNECTIONS = 40;
const OTHER_CONNECTIONS = 300;
const SLACK_MS = 20_000;

const high: ClassLoad = { name: 'high', perSecond: HIGH, connections: HIGH_CONNECTIONS };
const others: readonly ClassLoad[] = ['normal', 'low'].map((name) => ({
  name,
  perSecond: OTHERS,
  connections: OTHER_CONNECTIONS,
}));

interface Round {
  /** The important ones alone. */
  quiet: ClassResult;
  loaded: OverloadResult;
  service: SlotsResult;
}

function program(name: string): string {
  return fileURLToPath(new URL(`../load/${name}.ts`, import.meta.url));
}

async function startSlots(): Promise<{ port: number; stop(): Promise<SlotsResult> }> {
  const options: SlotsOptions = { slots: SLOTS, milliseconds: SERVICE_MS };
  const started = new Started('service', LOAD_CORE, NODE, [program('slots'), JSON.stringify(options)]);
  for (let waited = 0; !started.stdout.includes('\n'); waited += 20) {
    if (waited > SLACK_MS || !started.running) throw new Error(`the service did not start: ${started.stderr}`);
    await sleep(20);
  }
  return {
    port: Number(started.stdout.trim()),
    stop: async () => {
      await started.stop();
      return JSON.parse(started.stdout.trim().split('\n').at(-1) ?? '') as SlotsResult;
    },
  };
}

async function load(port: number, seconds: number, classes: readonly ClassLoad[]): Promise<OverloadResult> {
  const options: OverloadOptions = { port, seconds, classes };
  const started = new Started('load of classes', LOAD_CORE, NODE, [program('overload'), JSON.stringify(options)]);
  return JSON.parse(await started.finish(seconds * 1000 + SLACK_MS)) as OverloadResult;
}

async function measure(bench: Bench, adaptive: boolean): Promise<Round> {
  const service = await startSlots();
  let seen: SlotsResult = { done: 0, most: 0 };
  const running = await sluiceWithPlaces(adaptive ? null : SLOTS).start({
    ...sceneOf(bench),
    upstreamPort: service.port,
  });
  try {
    const quiet = (await load(running.port, bench.seconds, [high])).high;
    const loaded = await load(running.port, bench.seconds, [high, ...others]);
    if (quiet === undefined) throw new Error('the load has no result');
    return {
      quiet,
      loaded,
      get service() {
        return seen;
      },
    };
  } finally {
    await running.stop();
    seen = await service.stop();
  }
}

const answered = ({ loaded }: Round): number => Object.values(loaded).reduce((sum, each) => sum + each.answered, 0);

/** Shares of the capacity, and multiples of the quiet p99; medians over the rounds. */
function summary(rounds: readonly Round[], seconds: number) {
  const unused = median(rounds.map((round) => 1 - answered(round) / seconds / CAPACITY));
  const slower = median(rounds.map(({ quiet, loaded }) => (loaded.high?.p99 ?? Number.NaN) / quiet.p99));
  return { unused: Math.max(0, unused), slower };
}

function rows(label: string, rounds: readonly Round[], seconds: number): string[][] {
  return ['high', 'normal', 'low'].map((name) => {
    const of = (pick: (result: ClassResult) => number): number =>
      median(rounds.map(({ loaded }) => (loaded[name] === undefined ? Number.NaN : pick(loaded[name]))));
    const quiet = name === 'high' ? median(rounds.map((round) => round.quiet.p99)) : Number.NaN;
    return [
      label,
      name,
      number(
        of(({ asked }) => asked / seconds),
        0,
      ),
      number(
        of((result) => result.answered / seconds),
        0,
      ),
      number(
        of(({ refused }) => refused / seconds),
        0,
      ),
      number(
        of(({ failed }) => failed),
        0,
      ),
      number(of(({ p50 }) => p50)),
      number(of(({ p99 }) => p99)),
      number(quiet),
    ];
  });
}

/** Four times as much is asked for as a service can do: does it do what it can, and the important first? */
export const overload: Question = {
  name: 'overload',
  title: 'Four times as much as a service can do',
  async ask(bench): Promise<Answer> {
    const fixed: Round[] = [];
    const adaptive: Round[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      for (const [rounds, isAdaptive] of [
        [fixed, false],
        [adaptive, true],
      ] as const) {
        const measured = await measure(bench, isAdaptive);
        rounds.push(measured);
        const { unused, slower } = summary([measured], bench.seconds);
        bench.say(
          `  ${round + 1}/${bench.rounds} ${isAdaptive ? 'adaptive' : 'fixed   '}  unused ${number(unused * 100)} %` +
            `  high p99 ×${number(slower, 2)}  at most ${measured.service.most} at once`,
        );
      }
    }
    const [byNumber, byLatency] = [summary(fixed, bench.seconds), summary(adaptive, bench.seconds)];
    const bar = (must: number) => ({ of: 'itself', must, aim: null }) as const;
    const figure = (measure: string, unit: string, value: number, must: number) => ({
      measure,
      unit,
      values: { sluice: value },
      bar: bar(must),
    });
    return {
      figures: [
        figure('capacity left unused, `concurrency: 50`', '%', byNumber.unused * 100, 10),
        figure('p99 of high priority, of its p99 without load', '×', byNumber.slower, 2),
        figure('capacity left unused, `adaptive: true`', '%', byLatency.unused * 100, 10),
        figure('p99 of high priority, adaptive', '×', byLatency.slower, 2),
      ],
      tables: [
        {
          columns: ['limit', 'priority', 'asked/s', '200/s', '503/s', 'failed', 'p50 ms', 'p99 ms', 'p99 alone'],
          rows: [...rows('fixed', fixed, bench.seconds), ...rows('adaptive', adaptive, bench.seconds)],
        },
      ],
      notes: [
        `A service of ${SLOTS} slots, each of which takes ${SERVICE_MS} ms: ${number(CAPACITY, 0)} a second. Asked for is ${EXCESS} times as much, at a fixed rate.`,
        'The service, and whoever asks, share one core, the gateway has the other.',
      ],
      failures: [...fixed, ...adaptive].some(({ loaded }) => (loaded.high?.failed ?? 0) > 0)
        ? ['requests of high priority failed']
        : [],
    };
  },
};
