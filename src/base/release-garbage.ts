import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { type: 'major'; flavor: 'last-resort' }) => void;

let collect: Collect | null = null;

/**
 * Collects what loading modules or a configuration left behind and gives the memory back to the system, which V8 does on
 * its own only when more is asked for. For moments when nobody waits: it takes some 30 ms of this thread and gives back
 * some 11 MB of a worker and more of the main thread (`npm run bench memory`).
 */
export function releaseGarbage(): void {
  if (collect === null) {
    // There is no other way to ask for it in a process that was started without the flag. It stays: flags are the whole
    // process's, and another thread may be at the same place.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'major', flavor: 'last-resort' });
}
