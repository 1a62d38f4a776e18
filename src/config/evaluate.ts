import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Problem } from '../base/problem.ts';
import { formatPath } from './key-path.ts';

/** What the evaluating process answers. */
export type EvaluationMessage =
  | { kind: 'value'; value: unknown; refused: { path: (string | number)[]; what: string }[]; imported: string[] }
  | { kind: 'no-export'; found: string; imported: string[] }
  | { kind: 'thrown'; message: string; stack: string; imported: string[] };

export interface Evaluation {
  /** Undefined when there is nothing to go on with. */
  value: unknown;
  problems: Problem[];
  /** Absolute paths of the file and of what it imports, without packages. */
  imported: string[];
}

const MAX_STDERR = 4000;

/** Evaluates a TypeScript or JavaScript configuration in a child process and brings back its plain data. */
export async function evaluateConfig(
  path: string,
  file: string,
  env: Record<string, string | undefined>,
  timeout: number,
): Promise<Evaluation> {
  const run = await runChild(path, env, timeout);
  const imported = new Set([path, ...(run.message?.imported ?? [])]);
  const fail = (code: string, message: string, remedy: string, line = 0, column = 0): Evaluation => ({
    value: undefined,
    problems: [{ severity: 'error', code, message, remedy, place: { file, line, column, path: '' } }],
    imported: [...imported],
  });
  const { message } = run;
  if (message === null) {
    if (run.timedOut) {
      const remedy = 'Do not wait for the network or for timers while the file is evaluated.';
      return fail('config-timeout', `evaluating it took longer than ${timeout / 1000} s`, remedy);
    }
    const detail = run.stderr.trim().split('\n').at(-1) ?? '';
    const how = run.signal === null ? `exit code ${run.exitCode}` : run.signal;
    const said = detail === '' ? '' : `: ${detail}`;
    return fail('config-crash', `evaluating it ended without a result (${how})${said}`, 'Run the file with `node`.');
  }
  if (message.kind === 'no-export') {
    const found = message.found === 'nothing' ? 'it has no default export' : `its default export is a ${message.found}`;
    return fail('config-export', found, 'Write `export default defineConfig({ ... })`.');
  }
  if (message.kind === 'thrown') {
    const at = locate(message.stack, path);
    const remedy = 'Mend the file so that it can be imported.';
    return fail('config-thrown', `evaluating it failed: ${message.message}`, remedy, at.line, at.column);
  }
  const problems = message.refused.map(
    ({ path: keys, what }): Problem => ({
      severity: 'error',
      code: 'not-data',
      message: `\`${formatPath(keys)}\` is ${what}; a configuration is plain data`,
      remedy: /function|class/.test(what)
        ? 'Put the code into a file of its own and name that file, as in `handler: ./file.ts`.'
        : 'Use text, numbers, true, false, null, lists and maps.',
      place: { file, line: 0, column: 0, path: formatPath(keys) },
    }),
  );
  return { value: message.value, problems, imported: [...imported] };
}

interface ChildRun {
  message: EvaluationMessage | null;
  stderr: string;
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
}

function runChild(path: string, env: Record<string, string | undefined>, timeout: number): Promise<ChildRun> {
  const script = import.meta.url.endsWith('.ts') ? './evaluate-child.ts' : './evaluate-child.js';
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), path], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const result = collect(child.stdio[3] as Readable);
  const stderr = collect(child.stderr as Readable, MAX_STDERR);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeout);
  return new Promise((resolve) => {
    const finish = (exitCode: number | null, signal: string | null): void => {
      clearTimeout(timer);
      resolve({ message: parseMessage(result()), stderr: stderr(), exitCode, signal, timedOut });
    };
    child.once('error', () => finish(null, null));
    child.once('close', finish);
  });
}

function collect(stream: Readable, limit: number = Number.POSITIVE_INFINITY): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text = (text + chunk).slice(-limit);
  });
  return () => text;
}

function parseMessage(text: string): EvaluationMessage | null {
  try {
    return JSON.parse(text) as EvaluationMessage;
  } catch {
    return null;
  }
}

/** The line of the configuration in a stack; the first such line is where the error came from. */
function locate(stack: string, path: string): { line: number; column: number } {
  for (const name of [pathToFileURL(path).href, path]) {
    const from = stack.indexOf(`${name}:`);
    if (from < 0) continue;
    const match = /^:(\d+)(?::(\d+))?/.exec(stack.slice(from + name.length));
    if (match !== null) return { line: Number(match[1]), column: Number(match[2] ?? 1) };
  }
  return { line: 0, column: 0 };
}
