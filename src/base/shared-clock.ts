import { wheel } from './timers.ts';

/** Every thread's own monotonic clock begins at its start; they run at one pace, so a constant lies between each and the system's. */
const ORIGIN = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds that mean the same in every thread of the process, exact to one tick of the wheel. */
export function sharedClock(): number {
  return wheel.now + ORIGIN;
}
