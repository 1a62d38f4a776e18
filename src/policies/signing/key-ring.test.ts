import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { until } from '../../../test/harness.ts';
import { type Records, RecordsError } from '../../plan/records.ts';
import { MemoryRecords } from '../../stores/memory-records.ts';
import { KeyRing, openKeyRing, type RingState } from './key-ring.ts';
import { AHEAD_MS, KEPT_MS, ROTATE_AFTER_MS } from './key-schedule.ts';
import { readPublicKey, type SigningAlgorithm } from './signing-key.ts';

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  directories.push(directory);
  return directory;
}

interface Given {
  readonly algorithm?: SigningAlgorithm;
  readonly records?: Records;
  readonly stateDirectory?: string | null;
}

class Clock {
  now = Date.now();
}

function open(given: Given = {}, clock = new Clock()) {
  const problems: string[] = [];
  const env = {
    records: given.records ?? new MemoryRecords(() => undefined),
    stateDirectory: given.stateDirectory ?? null,
    problem: (message: string) => problems.push(message),
  };
  const ring = new KeyRing(given.algorithm ?? 'ES256', env, () => clock.now);
  const states: RingState[] = [];
  ring.subscribe((state) => states.push(state));
  return { ring, states, problems, clock, [Symbol.dispose]: () => ring.close() };
}

function kids(state: RingState | undefined): string[] {
  return [...(state?.published.keys() ?? [])].sort();
}

describe('keys', () => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    test(`${algorithm}: one is made at the first start, in a file of its own, and found at the next`, async () => {
      const stateDirectory = newDirectory();
      using first = open({ algorithm, stateDirectory });
      await first.ring.settled;
      const [file = ''] = readdirSync(stateDirectory);
      assert.equal(statSync(join(stateDirectory, file)).mode & 0o777, 0o600);
      using second = open({ algorithm, stateDirectory });
      await second.ring.settled;
      assert.equal(second.states[0]?.active.kid, first.states[0]?.active.kid);
      assert.equal(second.states[0]?.active.algorithm, algorithm);
      const published = JSON.stringify([...(first.states[0]?.published.values() ?? [])]);
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.ok(!published.includes(`"${member}":`));
    });
  }

  test('without a place to keep them they last as long as the process', async () => {
    using only = open();
    await only.ring.settled;
    assert.deepEqual(kids(only.states[0]), [only.states[0]?.active.kid]);
    assert.deepEqual(only.problems, []);
  });

  test('a damaged file is told without what is in it, and replaced', async () => {
    const stateDirectory = newDirectory();
    const path = join(stateDirectory, 'signing-keys-ES256.json');
    writeFileSync(path, '[{"privateKey":{"kty":"EC","d":"secret"}}]');
    using ring = open({ stateDirectory });
    await ring.ring.settled;
    assert.equal(ring.problems.length, 1);
    assert.match(ring.problems[0] ?? '', /damaged/);
    assert.doesNotMatch(ring.problems[0] ?? '', /secret/);
    const written = readFileSync(path, 'utf8');
    assert.match(written, /createdAt/);
    // One that says no time would sign for ever.
    writeFileSync(path, written.replace(/"signsFrom":\d+/, '"signsFrom":"soon"'));
    using again = open({ stateDirectory });
    await again.ring.settled;
    assert.match(again.problems[0] ?? '', /damaged/);
  });

  test('a directory that cannot be written to is told, and there is a key all the same', async () => {
    using ring = open({ stateDirectory: join(newDirectory(), 'missing') });
    await ring.ring.settled;
    assert.match(ring.problems[0] ?? '', /cannot be written/);
    assert.notEqual(ring.ring.state, null);
  });
});

describe('rotation', () => {
  test('a new key is published before it signs, and an old one as long as its tokens last', async () => {
    const stateDirectory = newDirectory();
    using given = open({ stateDirectory });
    const { ring, states, clock } = given;
    await ring.settled;
    const old = states[0]?.active.kid;
    clock.now += ROTATE_AFTER_MS;
    await ring.refresh();
    assert.equal(states.at(-1)?.active.kid, old);
    const fresh = kids(states.at(-1)).find((kid) => kid !== old);
    assert.ok(fresh !== undefined);
    clock.now += AHEAD_MS;
    await ring.refresh();
    assert.equal(states.at(-1)?.active.kid, fresh);
    assert.deepEqual(kids(states.at(-1)), [old, fresh].sort());
    clock.now += KEPT_MS;
    await ring.refresh();
    // The store forgets it by its own clock; the ring is done with it.
    using next = open({ stateDirectory }, clock);
    await next.ring.settled;
    assert.equal(next.states[0]?.active.kid, fresh);
    assert.deepEqual(kids(next.states[0]), [fresh]);
  });

  test('who looks again finds nothing new, and says nothing', async () => {
    using given = open();
    await given.ring.settled;
    await given.ring.refresh();
    await given.ring.refresh();
    assert.equal(given.states.length, 1);
  });
});

describe('several processes', () => {
  test('know each other’s public keys and keep their private ones', async () => {
    const records = new MemoryRecords(() => undefined);
    using one = open({ records, stateDirectory: newDirectory() });
    using other = open({ records, stateDirectory: newDirectory() });
    using third = open({ records, algorithm: 'EdDSA' });
    await Promise.all([one.ring.settled, other.ring.settled, third.ring.settled]);
    await until('both are published by both', () => kids(one.ring.state ?? undefined).length === 2);
    await until('both are published by both', () => kids(other.ring.state ?? undefined).length === 2);
    assert.notEqual(one.ring.state?.active.kid, other.ring.state?.active.kid);
    assert.equal(kids(third.ring.state ?? undefined).length, 1, 'another algorithm is another matter');
    const stored = JSON.stringify([...(await records.list('signing-keys')).values()]);
    assert.ok(!stored.includes('"d":'));
  });

  test('a store that is gone delays nothing, and hears of the key when it is back', async () => {
    const inner = new MemoryRecords(() => undefined);
    let isGone = true;
    const refuse = <T>(work: () => Promise<T>): Promise<T> =>
      isGone ? Promise.reject(new RecordsError('the store cannot be reached')) : work();
    const records: Records = {
      list: (collection) => refuse(() => inner.list(collection)),
      put: (...given) => refuse(() => inner.put(...given)),
      remove: (...given) => inner.remove(...given),
      watch: (...given) => inner.watch(...given),
      state: inner.state,
      close: () => inner.close(),
    };
    using ring = open({ records });
    await ring.ring.settled;
    assert.notEqual(ring.ring.state, null);
    assert.equal(ring.problems.length, 1);
    isGone = false;
    await ring.ring.refresh();
    assert.equal((await inner.list('signing-keys')).size, 1);
    assert.match(ring.problems[1] ?? '', /in order again/);
  });

  test('what others put there is taken only as far as it is a public key', async () => {
    const records = new MemoryRecords(() => undefined);
    using ring = open({ records });
    await ring.ring.settled;
    const jwk = ring.states[0]?.active.publicKey;
    for (const [id, given] of [
      ['not-its-name', jwk],
      ['text', 'x'],
      ['symmetric', { kty: 'oct', k: 'AAAA', alg: 'HS256', kid: 'symmetric' }],
      ['wrong-curve', { ...jwk, crv: 'P-384', kid: 'wrong-curve' }],
    ] as const) {
      await records.put('signing-keys', id, { jwk: given }, null);
    }
    await ring.ring.refresh();
    assert.equal(kids(ring.ring.state ?? undefined).length, 1);
    const more = readPublicKey({ ...jwk, d: 'private', x5u: 'https://evil.example' });
    assert.deepEqual(more, jwk, 'and nothing beside it');
  });
});

test('uses of one process share a ring, which ends with the last', async () => {
  const env = { records: new MemoryRecords(() => undefined), stateDirectory: null, problem: () => undefined };
  const one = openKeyRing('ES256', env);
  const other = openKeyRing('ES256', env);
  assert.equal(one.ring, other.ring);
  assert.notEqual(openKeyRing('EdDSA', env).ring, one.ring);
  one.close();
  assert.equal(openKeyRing('ES256', env).ring, other.ring);
});
