import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LogSinks } from './log-sink.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-log-'));
after(() => rmSync(directory, { recursive: true }));

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await delay(10);
  }
  assert.fail(`did not happen: ${what}`);
}

const linesOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []);

test('lines arrive in order, at the end of what is there', async () => {
  const path = join(directory, 'order.log');
  writeFileSync(path, 'before\n');
  const sinks = new LogSinks();
  const sink = sinks.file(path);
  assert.equal(sinks.file(path), sink, 'one sink a file');
  const expected = ['before'];
  for (let i = 0; i < 5000; i++) {
    expected.push(`${i} é ${'x'.repeat(i % 100)}`);
    sink.write(`${expected.at(-1)}\n`);
  }
  await until(() => linesOf(path).length === expected.length, 'all lines are written');
  assert.deepEqual(linesOf(path), expected);
});

test('nothing is created before the first line', async () => {
  const path = join(directory, 'lazy.log');
  const sink = new LogSinks({ delay: 1 }).file(path);
  await delay(20);
  assert.equal(existsSync(path), false);
  sink.write('now\n');
  await until(() => linesOf(path).length === 1, 'the line is written');
});

test('a moved file is followed by a new one, without a lost line', async () => {
  const path = join(directory, 'rotated.log');
  const moved = `${path}.1`;
  const sinks = new LogSinks({ delay: 1 });
  const sink = sinks.file(path);
  sink.write('old\n');
  await until(() => linesOf(path).length === 1, 'the first line is written');
  sink.write('on its way\n');
  renameSync(path, moved);
  sinks.reopen();
  sink.write('new\n');
  await until(() => linesOf(path).at(-1) === 'new', 'the new file has the new line');
  assert.deepEqual([...linesOf(moved), ...linesOf(path)], ['old', 'on its way', 'new']);
});

test('an exit writes what waits', () => {
  const path = join(directory, 'exit.log');
  const sinks = new LogSinks({ delay: 60_000 });
  for (let i = 0; i < 100; i++) sinks.file(path).write(`${i}\n`);
  sinks.flushSync();
  assert.equal(linesOf(path).length, 100);
});

test('what cannot be written is counted, and told once', async () => {
  let dropped = 0;
  const problems: string[] = [];
  const sinks = new LogSinks({
    delay: 1,
    onDrop: (lines) => {
      dropped += lines;
    },
    onProblem: (error) => problems.push(error.message),
  });
  const sink = sinks.file(join(directory, 'no', 'such', 'directory'));
  sink.write('a\nb\n');
  await until(() => dropped === 2, 'both lines are counted');
  sink.write('c\n');
  await until(() => dropped === 3, 'the third line is counted');
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /ENOENT/);
});

test('memory is bounded', () => {
  let dropped = 0;
  const sinks = new LogSinks({
    capacity: 1000,
    delay: 60_000,
    onDrop: (lines) => {
      dropped += lines;
    },
  });
  for (let i = 0; i < 100; i++) sinks.file(join(directory, 'bounded.log')).write(`${'x'.repeat(99)}\n`);
  assert.equal(dropped, 90);
});

/** Writes numbered lines from several threads to one standard output; the last words, on standard error, count the lost. */
const WRITERS = `
import { isMainThread, threadId, Worker } from 'node:worker_threads';
const { LogSinks } = await import(${JSON.stringify(new URL('./log-sink.ts', import.meta.url).href)});
const [threads, longest] = process.argv.slice(2).map(Number);
if (isMainThread) {
  const workers = Array.from({ length: threads }, () => new Worker(process.argv[1], { argv: process.argv.slice(2) }));
  let dropped = 0;
  for (const worker of workers) worker.on('message', (lost) => { dropped += lost; });
  await Promise.all(workers.map((worker) => new Promise((end) => worker.on('exit', end))));
  process.stderr.write(String(dropped));
} else {
  const { parentPort } = await import('node:worker_threads');
  let dropped = 0;
  const sinks = new LogSinks({ capacity: 64 * 1024, onDrop: (lines) => { dropped += lines; } });
  for (let i = 0; i < 3000; i++) {
    sinks.standard.write(JSON.stringify({ thread: threadId, line: i, padding: 'x'.repeat((i * 37) % longest) }) + '\\n');
    if (i % 50 === 0) await new Promise((next) => setTimeout(next, 1));
  }
  await sinks.close();
  parentPort.postMessage(dropped);
}
`;

async function linesFromThreads(
  command: string,
  pause: number,
  threads = 3,
  longest = 300,
): Promise<{ lines: string[]; dropped: number }> {
  const script = join(directory, 'writers.mjs');
  writeFileSync(script, WRITERS);
  const args = ['-c', command, 'sh', process.execPath, script, String(threads), String(longest)];
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    words += chunk;
  });
  const ended = once(child, 'close');
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout) {
    text += chunk;
    if (pause > 0) await delay(pause);
  }
  await ended;
  return { lines: text.split('\n').slice(0, -1), dropped: Number(words) };
}

const destinations = [
  ['a pipe', '"$@" | cat', 0],
  ['a pipe with a slow reader', '"$@" | (sleep 0.3; cat)', 1],
  ['a socket', '"$@"', 0],
  ['a socket with a slow reader', '"$@"', 2],
] as const;

for (const [what, command, pause] of destinations) {
  test(`threads share ${what}: lines stay whole and in order, and every one is there or counted`, async () => {
    const { lines, dropped } = await linesFromThreads(command, pause);
    const last = new Map<number, number>();
    for (const line of lines) {
      const { thread, line: number } = JSON.parse(line) as { thread: number; line: number };
      assert.ok(number > (last.get(thread) ?? -1), 'each thread in order');
      last.set(thread, number);
    }
    assert.ok(lines.length > 0);
    assert.equal(lines.length + dropped, 9000);
  });
}

test('one thread’s lines arrive whole even where they are longer than a pipe keeps together', async () => {
  const { lines, dropped } = await linesFromThreads('"$@" | (sleep 0.3; cat)', 0, 1, 20_000);
  for (const line of lines) JSON.parse(line);
  assert.equal(lines.length + dropped, 3000);
});
