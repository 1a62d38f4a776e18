import { LOAD_CORE } from './machine.ts';
import { Started } from './process.ts';

/** A load of `wrk`: one thread on the load core, closed loop, every connection busy all the time. */
export interface Load {
  /** Path and query, asked again and again, unless a script chooses. */
  path: string;
  /** A Lua file that `wrk` runs: other methods, bodies, changing paths. */
  script: string | null;
}

export interface LoadResult {
  requests: number;
  seconds: number;
  /** Connections refused, reset, closed before or between answers, and timeouts. */
  socketErrors: number;
  /** Answers outside 2xx and 3xx. */
  wrongStatus: number;
}

const CONNECTIONS = 64;
const SLACK_MS = 20_000;

const UNIT_SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

export function startWrk(origin: string, load: Load, seconds: number): Started {
  const script = load.script === null ? [] : ['-s', load.script];
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...script, origin + load.path];
  return new Started('wrk', LOAD_CORE, 'wrk', args);
}

export async function runWrk(origin: string, load: Load, seconds: number): Promise<LoadResult> {
  return readWrk(await startWrk(origin, load, seconds).finish(seconds * 1000 + SLACK_MS));
}

export function readWrk(output: string): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(us|ms|s|m|h),/.exec(output);
  if (!total) throw new Error(`wrk said something unexpected: ${output}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  return {
    requests: Number(total[1]),
    seconds: Number(total[2]) * (UNIT_SECONDS[total[3] ?? 's'] ?? 1),
    socketErrors: errors ? errors.slice(1).reduce((sum, count) => sum + Number(count), 0) : 0,
    wrongStatus: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
  };
}
