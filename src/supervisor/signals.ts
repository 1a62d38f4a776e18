import type { ProcessLog } from './process-log.ts';
import type { Supervisor } from './supervisor.ts';

/** Process managers and terminals often send the same signal twice, by the process and by its group. */
const SAME_SIGNAL_MS = 500;

/** SIGTERM and SIGINT stop in order, a second one at once; SIGHUP reloads; SIGUSR2 opens log files anew. */
export function obeySignals(supervisor: Supervisor, log: ProcessLog): void {
  let firstAt = 0;
  const stop = (signal: NodeJS.Signals, number: number): void => {
    const now = performance.now();
    if (firstAt === 0) {
      firstAt = now;
      void supervisor.stop(signal);
      if (process.stderr.isTTY) log.info('drain', 'once more to stop at once');
      return;
    }
    if (now - firstAt < SAME_SIGNAL_MS) return;
    log.warn('stop', `stopping at once (${signal})`);
    void supervisor.stopAtOnce(128 + number);
  };
  process.on('SIGTERM', (signal) => stop(signal, 15));
  process.on('SIGINT', (signal) => stop(signal, 2));
  process.on('SIGHUP', () => void supervisor.reload('signal'));
  process.on('SIGUSR2', () => supervisor.crew.reopenLogs());
}
