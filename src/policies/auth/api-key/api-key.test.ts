import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, identifierEnv, type TestIdentifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { fieldName } from '../../../base/headers.ts';
import type { Exchange } from '../../../plan/exchange.ts';
import type { Consumer, Identifier } from '../../../plan/identifier.ts';
import { Reply } from '../../../plan/reply.ts';
import { keyDigest, makeKey } from '../../../semantics/api-key.ts';
import { apiKey } from './api-key.ts';
import type { ConfiguredKey, StoredKey } from './key-feed.ts';
import { hashOf } from './key-record.ts';
import { readPepper } from './peppers.ts';

const PEPPER_TEXT = Buffer.alloc(32, 7).toString('base64url');
const pepper = readPepper(PEPPER_TEXT);
const CONFIGURED = 'a-key-of-the-configuration';
const authorization = fieldName('authorization');

const consumers = new Map<string, Consumer>([
  ['acme', consumer({ plan: 'gold', groups: ['partners'] })],
  ['initech', consumer()],
]);

interface Bench {
  readonly env: TestIdentifierEnv;
  readonly identifier: Identifier;
  /** Of `x-api-key`. */
  ask(...values: string[]): string | null;
  store(keys: readonly (readonly [string, Partial<StoredKey>])[]): void;
}

function open(options: unknown = true, published = true): Bench {
  const env = identifierEnv({ entry: 'partner', consumers, defaultPlan: 'free' });
  const identifier = apiKey.compile(apiKey.schema.parse(options), env);
  const bench: Bench = {
    env,
    identifier,
    ask: (...values) => answer(identifier, exchangeOf({ headers: values.map((value) => ['x-api-key', value]) })),
    store: (keys) => {
      env.feeds.find<string>('peppers').replace([[pepper.id, PEPPER_TEXT]]);
      const stored = keys.map(([key, facts], index): [string, StoredKey] => [
        hashOf(keyDigest(key), pepper),
        {
          id: `key-${index}`,
          consumer: 'acme',
          plan: null,
          scopes: [],
          createdAt: 1_000_000_000_000,
          expiresAt: null,
          enabled: true,
          ...facts,
        },
      ]);
      env.feeds.find<StoredKey>('keys').replace(stored);
    },
  };
  if (published) {
    const own: ConfiguredKey = { id: 'config-1', consumer: 'acme' };
    env.feeds.find<ConfiguredKey>('configured').replace([[keyDigest(CONFIGURED), own]]);
    bench.store([]);
  }
  return bench;
}

function answer(identifier: Identifier, exchange: Exchange): string | null {
  const found = identifier.identify(exchange);
  assert.ok(!(found instanceof Promise), 'a key is judged without waiting');
  return verdict(found);
}

describe('an API key', () => {
  it('says who calls: the consumer, with what the configuration says of it', () => {
    const { identifier } = open();
    const found = identifier.identify(exchangeOf({ headers: [['X-API-Key', CONFIGURED]] }));
    assert.deepEqual(found, {
      id: 'acme',
      method: 'partner',
      consumer: 'acme',
      plan: 'gold',
      scopes: [],
      roles: [],
      groups: ['partners'],
      claims: { key: 'config-1' },
    });
  });

  it('has a plan and scopes of its own when it is a stored one', () => {
    const bench = open();
    const keys = [makeKey().key, makeKey().key, makeKey().key] as const;
    bench.store([
      [keys[0], { plan: 'trial', scopes: ['orders:read'] }],
      [keys[1], { consumer: 'initech' }],
      [keys[2], {}],
    ]);
    const facts = keys.map((key) => {
      const found = bench.identifier.identify(exchangeOf({ headers: [['x-api-key', key]] }));
      assert.ok(found !== undefined && !(found instanceof Reply) && !(found instanceof Promise));
      return [found.id, found.plan, found.scopes, found.claims.key];
    });
    assert.deepEqual(facts, [
      ['acme', 'trial', ['orders:read'], 'key-0'],
      ['initech', 'free', [], 'key-1'],
      ['acme', 'gold', [], 'key-2'],
    ]);
  });

  it('is one of several that a consumer may have', () => {
    const bench = open();
    const [first, second] = [makeKey().key, makeKey().key];
    bench.store([
      [first, {}],
      [second, {}],
    ]);
    assert.deepEqual([bench.ask(first), bench.ask(second), bench.ask(CONFIGURED)], ['acme', 'acme', 'acme']);
  });

  it('may have been made elsewhere', () => {
    const bench = open();
    bench.store([['key-of-the-gateway-before', {}]]);
    assert.equal(bench.ask('key-of-the-gateway-before'), 'acme');
  });

  it('is missing without the header', () => {
    assert.equal(open().ask(), null);
  });

  it('is refused when it is none: empty, several, malformed, unknown', () => {
    const bench = open();
    const { key } = makeKey();
    bench.store([[key, {}]]);
    const wrong = [
      '',
      'a b',
      `${key}, ${key}`,
      `${key} `.repeat(2),
      key.slice(0, -1),
      makeKey().key,
      'x'.repeat(600),
      'ÿ',
    ];
    for (const value of [...wrong, '__proto__', 'constructor', keyDigest(key), hashOf(keyDigest(key), pepper)]) {
      assert.equal(bench.ask(value), 'credential_invalid', value);
    }
    assert.equal(bench.ask(key, key), 'credential_ambiguous');
    assert.equal(bench.ask(CONFIGURED, 'x'), 'credential_ambiguous');
  });

  it('is refused with a challenge, and without saying anything about itself', () => {
    const { identifier } = open();
    const refused = identifier.identify(exchangeOf({ headers: [['x-api-key', 'who-knows-this-key']] }));
    assert.ok(refused instanceof Reply);
    assert.equal(refused.headers.getAll(fieldName('www-authenticate')), 'ApiKey realm="partner"');
    assert.equal(refused.detail, null);
    assert.equal(identifier.challenge, 'ApiKey realm="partner"');
  });

  it('ends with its time, whether it was used before or not', () => {
    mock.timers.enable({ apis: ['Date'], now: 5_000 });
    try {
      const bench = open();
      const { key } = makeKey();
      bench.store([[key, { expiresAt: 6_000 }]]);
      assert.equal(bench.ask(key), 'acme');
      mock.timers.setTime(5_999);
      assert.equal(bench.ask(key), 'acme');
      mock.timers.setTime(6_000);
      assert.equal(bench.ask(key), 'credential_expired');
      assert.equal(bench.ask(key), 'credential_expired');
    } finally {
      mock.timers.reset();
    }
  });

  it('ends at once when it is disabled, replaced, or gone', () => {
    const bench = open();
    const { key } = makeKey();
    bench.store([[key, {}]]);
    assert.equal(bench.ask(key), 'acme');
    bench.store([[key, { enabled: false }]]);
    assert.equal(bench.ask(key), 'credential_revoked');
    bench.store([[key, { consumer: 'initech' }]]);
    assert.equal(bench.ask(key), 'initech');
    bench.store([]);
    assert.equal(bench.ask(key), 'credential_invalid');
  });

  it('ends with the consumer', () => {
    const bench = open();
    const { key } = makeKey();
    bench.store([[key, { consumer: 'hooli' }]]);
    assert.equal(bench.ask(key), 'credential_invalid');
  });

  it('can be revoked, configured ones too, and all of a consumer', () => {
    const bench = open();
    const [first, second] = [makeKey().key, makeKey().key];
    bench.store([
      [first, { consumer: 'initech' }],
      [second, { consumer: 'acme' }],
    ]);
    assert.deepEqual([bench.ask(first), bench.ask(second), bench.ask(CONFIGURED)], ['initech', 'acme', 'acme']);
    bench.env.revocations.revoke('key', 'key-0');
    assert.deepEqual([bench.ask(first), bench.ask(second)], ['credential_revoked', 'acme']);
    bench.env.revocations.revoke('key', 'config-1');
    assert.deepEqual([bench.ask(second), bench.ask(CONFIGURED)], ['acme', 'credential_revoked']);
    bench.env.revocations.revoke('consumer', 'acme');
    assert.equal(bench.ask(second), 'credential_revoked');
    const third = makeKey().key;
    bench.store([[third, { consumer: 'initech' }]]);
    bench.env.revocations.revoke('subject', 'initech');
    assert.equal(bench.ask(third), 'credential_revoked', 'logs call the caller so');
  });
});

describe('keys that cannot be read', () => {
  it('are answered with 503 while the store was never read; configured keys work', () => {
    const { env, identifier, ask, store } = open(true, false);
    assert.equal(ask(CONFIGURED), 'identity_unavailable');
    env.feeds.find<ConfiguredKey>('configured').replace([[keyDigest(CONFIGURED), { id: 'c', consumer: 'acme' }]]);
    const { key } = makeKey();
    assert.deepEqual([ask(CONFIGURED), ask(key), ask()], ['acme', 'identity_unavailable', null]);
    assert.equal(ask(key.slice(1)), 'identity_unavailable');
    assert.equal(ask(key.slice(0, -1)), 'credential_invalid', 'it needs no store to know that this is no key');
    const refused = identifier.identify(exchangeOf({ headers: [['x-api-key', key]] }));
    assert.ok(refused instanceof Reply);
    assert.equal(refused.headers.get(fieldName('retry-after')), '5');
    store([[key, {}]]);
    assert.equal(ask(key), 'acme');
  });

  it('do not matter to an entry with configured keys only', () => {
    const { env, ask } = open({ store: false }, false);
    env.feeds.find<ConfiguredKey>('configured').replace([[keyDigest(CONFIGURED), { id: 'c', consumer: 'acme' }]]);
    assert.deepEqual([ask(CONFIGURED), ask(makeKey().key)], ['acme', 'credential_invalid']);
  });
});

describe('the place of a key', () => {
  it('is a header, and what is recognised is taken out', () => {
    const { identifier } = open({ header: 'X-Partner-Key' });
    const exchange = exchangeOf({ headers: [['x-partner-key', CONFIGURED]] });
    assert.equal(identifier.place, 'header x-partner-key');
    assert.equal(answer(identifier, exchange), 'acme');
    identifier.conceal?.(exchange);
    assert.equal(exchange.headers.has(fieldName('x-partner-key')), false);
  });

  it('is kept on purpose only', () => {
    assert.equal(open({ keep: true }).identifier.conceal, null);
  });

  it('is a parameter of the query, of which there is one', () => {
    const { identifier } = open({ query: 'api_key' });
    const ask = (target: string) => answer(identifier, exchangeOf({ target }));
    assert.equal(identifier.place, 'query api_key');
    assert.equal(ask('/a'), null);
    assert.equal(ask('/a?x=1'), null);
    assert.equal(ask(`/a?x=1&api_key=${CONFIGURED}&y`), 'acme');
    assert.equal(ask(`/a?api%5Fkey=${CONFIGURED.replace('a', '%61')}`), 'acme');
    assert.deepEqual(
      [ask('/a?api_key'), ask('/a?api_key='), ask('/a?api_key=who-knows')],
      [null, null, 'credential_invalid'],
    );
    for (const other of [`api_key=${CONFIGURED}`, 'api%5fkey=x', 'api_key']) {
      assert.equal(ask(`/a?api_key=${CONFIGURED}&${other}`), 'credential_ambiguous', other);
      assert.equal(ask(`/a?${other}&api_key=${CONFIGURED}`), 'credential_ambiguous', other);
    }
    const exchange = exchangeOf({ target: `/a?x=1&api_key=${CONFIGURED}&y=%20` });
    identifier.conceal?.(exchange);
    assert.equal(exchange.query, 'x=1&y=%20');
  });

  it('is behind a scheme in `authorization`, and other schemes are left alone', () => {
    const { identifier } = open({ header: 'authorization', scheme: 'Bearer' });
    const exchange = (...values: string[]) =>
      exchangeOf({ headers: values.map((value) => ['authorization', value] as const) });
    const ask = (...values: string[]) => answer(identifier, exchange(...values));
    assert.equal(identifier.place, 'bearer authorization');
    assert.equal(identifier.challenge, 'Bearer realm="partner"');
    assert.deepEqual([ask(`Bearer ${CONFIGURED}`), ask(`bEARER  ${CONFIGURED}`)], ['acme', 'acme']);
    assert.deepEqual(
      [ask(), ask('Basic YTpi'), ask(`Bearer2 ${CONFIGURED}`), ask(CONFIGURED)],
      [null, null, null, null],
    );
    for (const value of ['Bearer', 'Bearer ', 'Bearer who-knows', `Bearer ${CONFIGURED} x`, `Bearer\t${CONFIGURED}`]) {
      assert.equal(ask(value), 'credential_invalid', value);
    }
    assert.equal(ask(`Bearer ${CONFIGURED}`, 'Basic YTpi'), 'credential_ambiguous');
    const refused = identifier.identify(exchange('Bearer x'));
    assert.ok(refused instanceof Reply);
    const challenge = refused.headers.get(fieldName('www-authenticate'));
    assert.equal(challenge, 'Bearer realm="partner", error="invalid_token"');
    const other = exchange('Basic YTpi');
    identifier.conceal?.(other);
    assert.equal(other.headers.get(authorization), 'Basic YTpi');
  });

  it('is one place, and one that exists', () => {
    const problems = (options: unknown): string[] =>
      apiKey.schema.safeParse(options).error?.issues.map(({ message }) => message) ?? [];
    assert.deepEqual(problems({ header: 'x-key', query: 'key' }), ['a key is in a header or in the query']);
    assert.deepEqual(problems({ header: 'Authorization' }), ['this header needs a scheme before the key']);
    assert.deepEqual(problems({ scheme: 'Bearer' }), ['only `authorization` has a scheme']);
    assert.equal(problems({ header: 'two words' }).length, 1);
  });
});

describe('configured keys', () => {
  it('are checked without being repeated', () => {
    const check = (keys: Record<string, string[]>) => {
      const all = Object.entries(keys).map(([name, own]) => [name, consumer({ keys: own })] as const);
      return (apiKey.check?.(apiKey.schema.parse(true), new Map(all)) ?? []).map(({ code, message, remedy }) => {
        for (const key of Object.values(keys).flat()) assert.ok(!(message + remedy).includes(key));
        return code;
      });
    };
    assert.deepEqual(check({ acme: [CONFIGURED, makeKey().key, `sha256:${keyDigest('x')}`] }), []);
    assert.deepEqual(
      check({ acme: ['hunter2', 'with a space in it', 'sha256:1234'] }),
      Array(3).fill('invalid-api-key'),
    );
    assert.deepEqual(check({ acme: [CONFIGURED], initech: [`sha256:${keyDigest(CONFIGURED)}`] }), ['shared-api-key']);
    assert.deepEqual(check({ acme: [CONFIGURED, CONFIGURED] }), []);
  });
});
