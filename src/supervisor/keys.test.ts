import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { FlakyRecords } from '../../test/support/flaky-records.ts';
import type { RecordValue } from '../plan/records.ts';
import { hashOf } from '../policies/auth/api-key/key-record.ts';
import { peppersOf } from '../policies/auth/api-key/peppers.ts';
import { keyDigest, originOf } from '../semantics/api-key.ts';
import { KeyDirectory } from './key-directory.ts';
import { KeyDeskError } from './key-requests.ts';
import { KeyDesk } from './keys.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FOREIGN = 'a-key-of-the-gateway-before';

function open(entries: readonly string[] = ['partner'], consumers: readonly string[] = ['acme', 'initech']) {
  const records = new FlakyRecords();
  const desk = new KeyDesk({
    records,
    stateDirectory: null,
    directory: () => new KeyDirectory(entries, consumers, ['free', 'gold']),
  });
  const stored = async (id: string): Promise<RecordValue | undefined> => (await records.list('keys')).get(id);
  return { records, desk, stored };
}

async function refusal(work: Promise<unknown>): Promise<KeyDeskError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KeyDeskError, String(error));
  return error;
}

describe('the desk of API keys', () => {
  it('shows a key once, and keeps its hash', async () => {
    const { desk, records, stored } = open();
    const { key, ...view } = await desk.create({ consumer: 'acme', plan: 'gold', name: 'CI', scopes: ['a', 'b'] });
    assert.deepEqual(originOf(key), { id: view.id });
    const [pepper] = [await peppersOf(records, null).obtain()];
    assert.deepEqual(await stored(view.id), {
      entry: 'partner',
      prefix: `slk_${view.id}`,
      hash: hashOf(keyDigest(key), pepper),
      consumer: 'acme',
      plan: 'gold',
      scopes: ['a', 'b'],
      enabled: true,
      createdAt: Date.parse(view.createdAt),
      expiresAt: null,
      revokedAt: null,
      name: 'CI',
    });
    assert.deepEqual(await desk.list(), [view]);
    assert.equal(view.state, 'active');
    const everything = JSON.stringify([...(await records.list('keys')), await desk.list()]);
    assert.ok(!everything.includes(key.slice(-36)) && !everything.includes(keyDigest(key)));
  });

  it('knows the consumers and entries of the configuration only', async () => {
    const { desk } = open(['partner', 'internal']);
    const messages = await Promise.all(
      [
        { consumer: 'acmee', auth: 'partner' },
        { consumer: 'somebody', auth: 'partner' },
        { consumer: 'acme', auth: 'partnr' },
        { consumer: 'acme' },
        { consumer: 'acme', auth: 'partner', plan: 'golden' },
      ].map(async (request) => (await refusal(desk.create(request))).message),
    );
    assert.deepEqual(messages, [
      'the configuration has no consumer `acmee`: did you mean `acme`?',
      'the configuration has no consumer `somebody`; there are: acme, initech',
      'no entry `partnr` of `auth` takes stored keys: did you mean `partner`?',
      'say for which entry of `auth` it is: partner, internal',
      'the configuration has no plan `golden`: did you mean `gold`?',
    ]);
    assert.match((await refusal(open([]).desk.create({ consumer: 'acme' }))).message, /no entry of `auth` takes/);
  });

  it('refuses what makes no sense, with words', async () => {
    const { desk, records } = open();
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [null, /object/],
      [[], /object/],
      [{}, /`consumer`/],
      [{ consumer: 'acme', expires: 'soon' }, /`expires`: this is no time to expire/],
      [{ consumer: 'acme', expires: '0' }, /lies in the past/],
      [{ consumer: 'acme', expires: '2001-01-01' }, /lies in the past/],
      [{ consumer: 'acme', expires: '2027-13-01' }, /no such date/],
      [{ consumer: 'acme', expires: '99999999d' }, /at most/],
      [{ consumer: 'acme', scopes: ['a b'] }, /not a scope/],
      [{ consumer: 'acme', name: 'two\nlines' }, /control characters/],
      [{ consumer: 'acme', colour: 'red' }, /colour/],
      [{ consumer: 7 }, /`consumer`/],
    ];
    for (const [request, message] of wrong) {
      const error = await refusal(desk.create(request));
      assert.equal(error.kind, 'invalid');
      assert.match(error.message, message);
    }
    assert.equal((await records.list('keys')).size, 0);
  });

  it('rotates: a successor of the same kind, and a grace for the key itself', async () => {
    mock.timers.enable({ apis: ['Date'], now: 1_000 * DAY });
    try {
      const { desk } = open();
      const old = await desk.create({ consumer: 'acme', plan: 'gold', expires: '90d', name: 'CI', scopes: 'a' });
      mock.timers.tick(60 * DAY);
      const { key, replaces, ...made } = await desk.rotate(old.id, { grace: '2h' });
      assert.notEqual(key, old.key);
      assert.deepEqual([made.plan, made.name, made.scopes, made.state], ['gold', 'CI', ['a'], 'active']);
      assert.equal(Date.parse(made.expiresAt ?? ''), 1_150 * DAY);
      assert.equal(Date.parse(replaces.expiresAt ?? ''), 1_060 * DAY + 2 * HOUR);
      assert.equal(replaces.state, 'active');
      mock.timers.tick(2 * HOUR);
      const states = new Map((await desk.list()).map(({ id, state }) => [id, state]));
      assert.deepEqual([states.get(old.id), states.get(made.id)], ['expired', 'active']);
      const again = await refusal(desk.rotate(old.id, {}));
      assert.deepEqual(
        [again.kind, again.message],
        ['conflict', 'this key is not in use (expired): create another one'],
      );
    } finally {
      mock.timers.reset();
    }
  });

  it('never makes a key live longer by rotating it', async () => {
    const { desk } = open();
    const old = await desk.create({ consumer: 'acme', expires: '1h' });
    const { replaces } = await desk.rotate(old.id, {});
    assert.equal(replaces.expiresAt, old.expiresAt);
  });

  it('leaves no successor behind when the rotation fails half way', async () => {
    const { desk, records } = open();
    const old = await desk.create({ consumer: 'acme' });
    const { put } = records;
    records.put = async (collection, id, value, expiresAt) => {
      if (id === old.id) records.failing.add('put');
      await put.call(records, collection, id, value, expiresAt);
    };
    await assert.rejects(desk.rotate(old.id, {}), /out of reach/);
    assert.deepEqual(
      (await desk.list()).map(({ id, state, expiresAt }) => [id, state, expiresAt]),
      [[old.id, 'active', null]],
    );
  });

  it('revokes for good, and disables until further notice', async () => {
    const { desk } = open();
    const { id, key } = await desk.create({ consumer: 'acme' });
    assert.equal((await desk.disable(id)).state, 'disabled');
    assert.equal((await refusal(desk.rotate(id, {}))).kind, 'conflict');
    assert.equal((await desk.enable(`slk_${id}`)).state, 'active');
    const revoked = await desk.revoke(key);
    assert.equal(revoked.state, 'revoked');
    assert.deepEqual(await desk.revoke(id), revoked);
    assert.equal((await refusal(desk.enable(id))).kind, 'conflict');
  });

  it('does not repeat what it does not find', async () => {
    const { desk } = open();
    for (const id of ['nobody', FOREIGN, '', '__proto__']) {
      const error = await refusal(desk.revoke(id));
      assert.equal(error.kind, 'unknown');
      assert.ok(id === '' || !error.message.includes(id));
    }
  });

  it('forgets a key a month after its end', async () => {
    mock.timers.enable({ apis: ['Date'], now: 1_000 * DAY });
    try {
      const { desk } = open();
      const { id } = await desk.create({ consumer: 'acme' });
      await desk.create({ consumer: 'acme', expires: '10d' });
      await desk.revoke(id);
      mock.timers.tick(30 * DAY);
      assert.deepEqual(
        (await desk.list()).map(({ state }) => state),
        ['expired'],
      );
      mock.timers.tick(10 * DAY);
      assert.deepEqual(await desk.list(), []);
    } finally {
      mock.timers.reset();
    }
  });

  it('says that consumers and entries of keys are gone', async () => {
    const consumers = ['acme', 'initech'];
    const { desk } = open(['partner'], consumers);
    await desk.create({ consumer: 'initech' });
    consumers.pop();
    assert.deepEqual(
      (await desk.list()).map(({ state }) => state),
      ['unknown-consumer'],
    );
  });

  it('makes one change after another', async () => {
    const { desk } = open();
    const { id } = await desk.create({ consumer: 'acme' });
    const outcomes = await Promise.allSettled([desk.revoke(id), desk.enable(id), desk.disable(id)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(
      (await desk.list()).map(({ state }) => state),
      ['revoked'],
    );
  });
});

describe('an import of keys', () => {
  it('takes keys in clear and digests, and can be done again', async () => {
    const { desk, records } = open();
    const own = await open().desk.create({ consumer: 'acme' });
    const keys = [
      { key: FOREIGN, consumer: 'acme', id: 'legacy-1', name: 'old', plan: 'gold' },
      {
        key: `sha256:${keyDigest('another-key-of-before')}`,
        consumer: 'initech',
        expires: '2099-01-01',
        enabled: false,
      },
      { key: own.key, consumer: 'acme', scopes: 'a' },
    ];
    assert.deepEqual(await desk.import({ keys }), { imported: 3, skipped: 0 });
    assert.deepEqual(await desk.import({ keys: keys.slice(1) }), { imported: 0, skipped: 2 });
    const views = await desk.list();
    assert.deepEqual(
      views.map(({ consumer, state }) => [consumer, state]).sort(),
      [
        ['acme', 'active'],
        ['acme', 'active'],
        ['initech', 'disabled'],
      ].sort(),
    );
    const pepper = await peppersOf(records, null).obtain();
    assert.equal((await records.list('keys')).get('legacy-1')?.hash, hashOf(keyDigest(FOREIGN), pepper));
    assert.ok(!JSON.stringify([...(await records.list('keys'))]).includes(FOREIGN));
  });

  it('imports nothing when anything is wrong, and says all of it by line', async () => {
    const { desk, records } = open();
    const first = 'a-first-key-of-before';
    await desk.import({ keys: [{ key: first, consumer: 'acme', id: 'one' }] });
    const error = await refusal(
      desk.import({
        keys: [
          { line: 2, key: FOREIGN, consumer: 'acme' },
          { line: 3, key: FOREIGN, consumer: 'acme' },
          { line: 4, key: 'hunter2', consumer: 'acme' },
          { line: 5, key: 'a-second-key-of-before', consumer: 'initeck' },
          { line: 6, key: first, consumer: 'initech' },
          { line: 7, key: 'a-third-key-of-before', consumer: 'acme', id: 'one' },
          { line: 8, key: 'a-fourth-key-of-before', consumer: 'acme', id: '../x' },
          'nothing',
        ],
      }),
    );
    assert.deepEqual(
      error.problems.map(({ line, message }) => [line, message.split('. ')[0]]),
      [
        [3, 'this key is in the file twice'],
        [4, '`key`: this key is too short: it can be guessed'],
        [5, 'the configuration has no consumer `initeck`: did you mean `initech`?'],
        [6, 'this key is there already, of another consumer'],
        [7, 'this id belongs to another key'],
        [8, '`id`: an id has up to 64 letters, digits, `.`, `_` and `-`'],
        [8, 'Invalid input: expected object, received string'],
      ],
    );
    assert.equal((await records.list('keys')).size, 1);
    assert.equal((await refusal(desk.import({ keys: [] }))).kind, 'invalid');
  });
});
