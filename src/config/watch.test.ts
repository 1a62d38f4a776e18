import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WatchOptions, watchFiles } from './watch.ts';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-watch-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A watcher whose poll is far away, so that only events can wake it, and the list of what it reported. */
async function start(context: TestContext, options: Partial<WatchOptions>) {
  const events: string[][] = [];
  const waiting: (() => void)[] = [];
  const watcher = watchFiles({
    files: [],
    debounce: 40,
    grace: 300,
    poll: 60_000,
    ...options,
    onChange(changed) {
      events.push(changed);
      for (const wake of waiting.splice(0)) wake();
    },
  });
  context.after(() => watcher.close());
  await sleep(120);
  const next = async (): Promise<string[]> => {
    if (events.length === 0) {
      const arrived = new Promise<void>((resolve) => waiting.push(resolve));
      await Promise.race([arrived, sleep(5000).then(() => assert.fail('no change was reported'))]);
    }
    return events.shift() ?? [];
  };
  return { watcher, events, next };
}

test('a write is reported once, and only when the content differs', async (context) => {
  const path = join(folder(context), 'a.yaml');
  writeFileSync(path, 'one');
  const { events, next } = await start(context, { files: [path] });
  writeFileSync(path, 'one');
  await sleep(200);
  assert.deepEqual(events, []);
  writeFileSync(path, 'tw');
  writeFileSync(path, 'two');
  assert.deepEqual(await next(), [path]);
  await sleep(200);
  assert.deepEqual(events, []);
});

test("an editor's write to a new file and rename over the old one is one change", async (context) => {
  const path = join(folder(context), 'a.yaml');
  writeFileSync(path, 'one');
  const { next, events } = await start(context, { files: [path] });
  for (const content of ['two', 'three']) {
    writeFileSync(`${path}.tmp`, content);
    renameSync(`${path}.tmp`, path);
    assert.deepEqual(await next(), [path]);
  }
  await sleep(150);
  assert.deepEqual(events, []);
});

test('the swap of the `..data` link of a Kubernetes volume changes all files at once', async (context) => {
  const mount = folder(context);
  const publish = (version: string): void => {
    mkdirSync(join(mount, `..${version}`));
    for (const name of ['a.yaml', 'b.yaml']) writeFileSync(join(mount, `..${version}`, name), `${name} ${version}`);
    symlinkSync(`..${version}`, join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  };
  publish('1');
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', name), join(mount, name));
  const files = [join(mount, 'a.yaml'), join(mount, 'b.yaml')];
  const { next } = await start(context, { files });
  for (const version of ['2', '3']) {
    publish(version);
    assert.deepEqual(await next(), files);
  }
});

test('a file that is gone for a moment is no event; one that stays away or comes back is', async (context) => {
  const path = join(folder(context), 'a.yaml');
  writeFileSync(path, 'one');
  const { events, next } = await start(context, { files: [path] });
  unlinkSync(path);
  await sleep(120);
  writeFileSync(path, 'one');
  await sleep(500);
  assert.deepEqual(events, []);
  unlinkSync(path);
  const before = performance.now();
  assert.deepEqual(await next(), [path]);
  assert.ok(performance.now() - before >= 250);
  writeFileSync(path, 'one');
  assert.deepEqual(await next(), [path]);
});

test('a file that begins or ceases to match a pattern is a change', async (context) => {
  const root = folder(context);
  mkdirSync(join(root, 'teams'));
  writeFileSync(join(root, 'teams', 'a.yaml'), 'a');
  const { next } = await start(context, { patterns: [join(root, 'teams', '*.yaml')] });
  writeFileSync(join(root, 'teams', 'b.yaml'), 'b');
  assert.deepEqual(await next(), [join(root, 'teams', 'b.yaml')]);
  unlinkSync(join(root, 'teams', 'b.yaml'));
  assert.deepEqual(await next(), [join(root, 'teams', 'b.yaml')]);
});

test('another set of files goes on without an event of its own', async (context) => {
  const root = folder(context);
  const [a, b] = [join(root, 'a.yaml'), join(root, 'b.yaml')];
  writeFileSync(a, 'a');
  writeFileSync(b, 'b');
  const { watcher, events, next } = await start(context, { files: [a] });
  watcher.update([b]);
  await sleep(120);
  writeFileSync(a, 'changed');
  await sleep(200);
  assert.deepEqual(events, []);
  writeFileSync(b, 'changed');
  assert.deepEqual(await next(), [b]);
});

test('a folder that is replaced under its name is found by the poll, and watched again', async (context) => {
  const root = folder(context);
  const path = join(root, 'conf', 'a.yaml');
  mkdirSync(join(root, 'conf'));
  writeFileSync(path, 'one');
  const { next } = await start(context, { files: [path], poll: 200 });
  renameSync(join(root, 'conf'), join(root, 'old'));
  mkdirSync(join(root, 'conf'));
  writeFileSync(path, 'two');
  assert.deepEqual(await next(), [path]);
});

test('after close nothing is reported', async (context) => {
  const path = join(folder(context), 'a.yaml');
  writeFileSync(path, 'one');
  const { watcher, events } = await start(context, { files: [path], poll: 50 });
  writeFileSync(path, 'two');
  watcher.close();
  await sleep(200);
  assert.deepEqual(events, []);
});
