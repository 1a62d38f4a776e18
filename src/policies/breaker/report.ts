import { jsonString } from '../../base/json-text.ts';
import type { CircuitChange } from '../../plan/breaker.ts';
import type { LogSink } from '../../plan/policy.ts';

/** Writes a line for each change, in the one worker that made it. */
export function changeLog(log: LogSink, kind: string, name: string, report: boolean): (change: CircuitChange) => void {
  const start = `"event":"breaker","breaker":${jsonString(`${kind}:${name}`)}${report ? ',"report":true' : ''}`;
  return ({ state, reason, openFor }) => {
    const why = reason === null ? '' : `,"reason":"${reason}"`;
    const time = state === 'open' ? `,"openForMs":${openFor}` : '';
    log.write(`{"time":"${new Date().toISOString()}",${start},"state":"${state}"${why}${time}}\n`);
  };
}
