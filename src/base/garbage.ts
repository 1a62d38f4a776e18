import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Threads of this process that are started from now on collect their young garbage themselves. V8 would wake up to four
 * helpers every time, for half a millisecond of work and on cores that the workers have taken: without them a request with a
 * token, a limit and a log line costs 40.5 µs beside 43.8. Marking, whose pauses would be felt, stays with the helpers.
 */
export function collectWithoutHelpers(): void {
  for (const flag of ['parallel-scavenge', 'concurrent-array-buffer-sweeping', 'concurrent-sweeping']) {
    setFlagsFromString(`--no-${flag}`);
  }
}

type Collect = (options: { type: 'major'; flavor: 'last-resort' }) => void;

let collect: Collect | null = null;

const LOOK_EVERY_MS = 1_000;
/** Whoever is never idle collects garbage on its own. */
const LOOKS = 60;

/**
 * Collects what the start of this thread left behind, mostly by loading modules, and gives the memory back to the system,
 * which V8 does on its own only when more is asked for: some 15 MB each of a worker and of the main thread (`npm run bench
 * memory`). It takes 100 ms and more, so it waits for a time when nobody else does.
 *
 * @param isIdle asked every second
 */
export function releaseGarbageOnce(isIdle: () => boolean): void {
  let looks = 0;
  const timer = setInterval(() => {
    looks++;
    if (isIdle()) release();
    else if (looks < LOOKS) return;
    clearInterval(timer);
  }, LOOK_EVERY_MS).unref();
}

function release(): void {
  if (collect === null) {
    // There is no other way to ask for it in a process that was started without the flag. It stays: flags are the whole
    // process's, and another thread may be at the same place.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'major', flavor: 'last-resort' });
}
