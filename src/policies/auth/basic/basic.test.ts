import assert from 'node:assert/strict';
import { argon2Sync, scryptSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, identifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { fieldName } from '../../../base/headers.ts';
import type { Identity } from '../../../plan/exchange.ts';
import type { Reply } from '../../../plan/reply.ts';
import { formatScrypt } from '../../../semantics/password-hash.ts';
import { basic } from './basic.ts';

/** Cheap ones: these tests are about verdicts, not about strength. */
const salt = Buffer.from('0123456789abcdef');
const parameters = { cost: 16, blockSize: 1, parallelization: 1 };
const scryptHash = (password: string): string =>
  formatScrypt({ ...parameters, salt, digest: scryptSync(password, salt, 32, parameters) });
const argon2Hash = (password: string): string => {
  const given = { message: password, nonce: salt, parallelism: 1, tagLength: 32, memory: 8, passes: 1 };
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=8,t=1,p=1$${text(salt)}$${text(argon2Sync('argon2id', given))}`;
};
const users = {
  alice: scryptHash('wonder'),
  bob: { password: argon2Hash('builder'), roles: 'admin', groups: ['site'] },
  carol: hashSync('singer', 4),
  rené: scryptHash('café'),
};

function open(given: object = {}, env = identifierEnv()) {
  return { env, identifier: basic.compile(basic.schema.parse({ users, ...given }), env) };
}

function authorization(user: string, password: string, scheme = 'Basic'): [string, string][] {
  return [['authorization', `${scheme} ${Buffer.from(`${user}:${password}`).toString('base64')}`]];
}

function ask(identifier: ReturnType<typeof basic.compile>, headers: [string, string][], clientAddress = '192.0.2.1') {
  return identifier.identify(exchangeOf({ headers, clientAddress }));
}

describe('who it is', () => {
  for (const [user, password] of [
    ['alice', 'wonder'],
    ['bob', 'builder'],
    ['carol', 'singer'],
    ['rené', 'café'],
  ] as const) {
    test(`${user} with the right password, with a wrong one and with another user’s`, async () => {
      const { identifier } = open();
      assert.equal(verdict(await ask(identifier, authorization(user, password))), user);
      assert.equal(verdict(await ask(identifier, authorization(user, `${password}!`))), 'credential_invalid');
      assert.equal(verdict(await ask(identifier, authorization('nobody', password))), 'credential_invalid');
      identifier.close();
    });
  }

  test('no credential, or one of another scheme, is none', () => {
    const { identifier } = open();
    assert.equal(ask(identifier, []), undefined);
    assert.equal(ask(identifier, [['authorization', 'Bearer abc']]), undefined);
    assert.equal(ask(identifier, [['authorization', 'Basically none']]), undefined);
  });

  test('the scheme may be written in any case, and roles and groups are the user’s', async () => {
    const { identifier } = open();
    const answer = await ask(identifier, authorization('bob', 'builder', 'bASIC  '));
    const { id, method, consumer: name, roles, groups } = answer as Identity;
    assert.deepEqual([id, method, name, roles, groups], ['bob', 'customer', null, ['admin'], ['site']]);
  });

  test('a user may be a consumer, and has what that has', async () => {
    const consumers = new Map([['acme', consumer({ plan: 'gold', groups: ['partners'], roles: ['buyer'] })]]);
    const given = { users: { ...users, bob: { ...users.bob, consumer: 'acme' } } };
    const { identifier } = open(given, identifierEnv({ consumers, defaultPlan: 'free' }));
    const bob = (await ask(identifier, authorization('bob', 'builder'))) as Identity;
    assert.deepEqual(
      [bob.consumer, bob.plan, bob.roles, bob.groups],
      ['acme', 'gold', ['admin', 'buyer'], ['site', 'partners']],
    );
    const alice = (await ask(identifier, authorization('alice', 'wonder'))) as Identity;
    assert.deepEqual([alice.consumer, alice.plan], [null, 'free']);
  });

  test('users of a file, of whom `users` has the last word', async () => {
    const htpasswd = `alice:${scryptHash('old')}\ndave:${hashSync('diver', 4)}\n`;
    const { identifier } = open({ htpasswd });
    assert.equal(verdict(await ask(identifier, authorization('dave', 'diver'))), 'dave');
    assert.equal(verdict(await ask(identifier, authorization('alice', 'old'))), 'credential_invalid');
  });
});

describe('hostile credentials', () => {
  const refused: Record<string, [string, string][]> = {
    'no base64': [['authorization', 'Basic alice:wonder']],
    'nothing behind the scheme': [['authorization', 'Basic  ']],
    'a megabyte': [['authorization', `Basic ${'A'.repeat(1024 * 1024)}`]],
    'two fields': [...authorization('alice', 'wonder'), ...authorization('bob', 'builder')],
    'the right ones and something behind them': [
      ['authorization', `${authorization('alice', 'wonder')[0]?.[1]}, Basic abcd`],
    ],
    'a bcrypt password that is longer than bcrypt looks': authorization('carol', 'singer'.padEnd(80, 'x')),
  };
  for (const [what, headers] of Object.entries(refused)) {
    test(what, async () => {
      const { identifier } = open();
      assert.equal(verdict(await ask(identifier, headers)), 'credential_invalid');
    });
  }

  test('of a longer password bcrypt would take the beginning, and so another one', async () => {
    const { identifier } = open({ users: { carol: hashSync('s'.repeat(72), 4) } });
    assert.equal(verdict(await ask(identifier, authorization('carol', 's'.repeat(72)))), 'carol');
    assert.equal(verdict(await ask(identifier, authorization('carol', 's'.repeat(73)))), 'credential_invalid');
  });

  test('a name that nobody has takes as long as one that somebody has', async () => {
    const slow = formatScrypt({ ...parameters, cost: 2 ** 15, salt, digest: Buffer.alloc(32) });
    const { identifier } = open({ users: { alice: slow } });
    const asked = ask(identifier, authorization('nobody', 'x'));
    assert.ok(asked instanceof Promise, 'a password is verified');
    assert.equal(verdict(await asked), 'credential_invalid');
  });

  test('a refusal says how to ask and nothing about the reason', async () => {
    const { identifier } = open({ realm: 'staging area' });
    const unknown = (await ask(identifier, authorization('nobody', 'x'))) as Reply;
    const wrong = (await ask(identifier, authorization('alice', 'x'))) as Reply;
    for (const reply of [unknown, wrong]) {
      assert.equal(reply.status, 401);
      assert.equal(reply.detail, null);
      assert.equal(reply.headers.get(fieldName('www-authenticate')), 'Basic realm="staging area", charset="UTF-8"');
    }
    assert.notEqual(unknown.headers, wrong.headers);
  });
});

describe('what is remembered', () => {
  test('right and wrong credentials are answered at once the second time', async () => {
    const { identifier } = open();
    for (const [password, expected] of [
      ['wonder', 'alice'],
      ['blunder', 'credential_invalid'],
    ] as const) {
      const first = ask(identifier, authorization('alice', password));
      assert.ok(first instanceof Promise);
      assert.equal(verdict(await first), expected);
      const second = ask(identifier, authorization('alice', password));
      assert.ok(!(second instanceof Promise));
      assert.equal(verdict(second), expected);
    }
  });

  test('the same credentials at the same time are verified once, and answered one by one', async () => {
    const { identifier } = open({ concurrency: 1, pending: 1 });
    const asked = Array.from({ length: 50 }, () => ask(identifier, authorization('alice', 'blunder')));
    const answers = await Promise.all(asked);
    assert.deepEqual([...new Set(answers.map(verdict))], ['credential_invalid']);
    assert.equal(new Set(answers).size, 50, 'replies are changed on their way');
  });

  test('a revoked user or consumer is refused at once', async () => {
    const { identifier, env } = open({ users: { ...users, bob: { ...users.bob, consumer: 'acme' } } });
    await ask(identifier, authorization('alice', 'wonder'));
    await ask(identifier, authorization('bob', 'builder'));
    env.revocations.revoke('subject', 'alice');
    env.revocations.revoke('consumer', 'acme');
    assert.equal(verdict(await ask(identifier, authorization('alice', 'wonder'))), 'credential_revoked');
    assert.equal(verdict(await ask(identifier, authorization('bob', 'builder'))), 'credential_revoked');
    assert.equal(verdict(await ask(identifier, authorization('bob', 'guess'))), 'credential_invalid');
  });
});

describe('more than can be verified', () => {
  test('waits, past the bound is 503, and none of it is for ever', async () => {
    const { identifier } = open({ concurrency: 1, pending: 2 });
    const asked = ['a', 'b', 'c', 'd', 'e'].map((password, client) =>
      ask(identifier, authorization('alice', password), `192.0.2.${client}`),
    );
    const answers = (await Promise.all(asked)).map(verdict);
    assert.deepEqual(answers, [...Array(3).fill('credential_invalid'), ...Array(2).fill('identity_unavailable')]);
    assert.equal(verdict(await ask(identifier, authorization('alice', 'wonder'))), 'alice');
  });

  test('one client has no more than a share', async () => {
    const { identifier } = open({ concurrency: 1, pending: 7 });
    const guesses = ['a', 'b', 'c'].map((password) => ask(identifier, authorization('alice', password), '192.0.2.66'));
    const other = ask(identifier, authorization('alice', 'wonder'), '192.0.2.1');
    assert.deepEqual((await Promise.all(guesses)).map(verdict), [
      'credential_invalid',
      'credential_invalid',
      'identity_unavailable',
    ]);
    assert.equal(verdict(await other), 'alice');
  });
});

test('the password goes no further, unless it is wanted; other schemes are left alone', () => {
  const field = fieldName('authorization');
  const exchange = exchangeOf({ headers: authorization('alice', 'wonder') });
  assert.equal(open({ keep: true }).identifier.conceal, null);
  open().identifier.conceal?.(exchange);
  assert.equal(exchange.headers.has(field), false);
  const bearer = exchangeOf({ headers: [['authorization', 'Bearer abc']] });
  open().identifier.conceal?.(bearer);
  assert.equal(bearer.headers.get(field), 'Bearer abc');
});

describe('options', () => {
  const problems = (given: unknown): string[] => {
    const parsed = basic.schema.safeParse(given);
    return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
  };

  test('what cannot work is refused', () => {
    assert.deepEqual(problems({}), ['this names no user']);
    assert.deepEqual(problems({ htpasswd: '# nobody yet\n' }), ['this names no user']);
    assert.deepEqual(problems({ htpasswd: 'alice:secret' }), ['the user `alice`: this is not the hash of a password']);
    assert.equal(problems({ users: { 'a:b': users.alice } }).length, 1);
    assert.equal(problems({ users, realm: 'a"b' }).length, 1);
  });

  test('weak hashes and unknown consumers are told', () => {
    const given = basic.schema.parse({ users: { carol: users.carol, bob: { ...users.bob, consumer: 'acme' } } });
    const found = basic.check?.(given, new Map()) ?? [];
    assert.deepEqual(
      found.map(({ severity, code, path }) => [severity, code, path.join('.')]),
      [
        ['warning', 'weak-password-hash', 'users.carol'],
        ['warning', 'weak-password-hash', 'users.bob.password'],
        ['error', 'unknown-consumer', 'users.bob.consumer'],
      ],
    );
  });

  for (const { title, options } of basic.examples) {
    test(`example: ${title}`, () => {
      const parsed = basic.schema.parse(options);
      assert.deepEqual(basic.check?.(parsed, new Map()), []);
      basic.compile(parsed, identifierEnv()).close();
    });
  }
});

test('addresses of one IPv6 network have one share of the queue', async () => {
  const { identifier } = open({ concurrency: 1, pending: 7 });
  const answers = Array.from({ length: 4 }, (_, i) =>
    ask(identifier, authorization('alice', `guess ${i}`), `2001:db8:1:2::${i + 1}`),
  );
  const verdicts = (await Promise.all(answers)).map((answer) => verdict(answer));
  assert.deepEqual(verdicts.slice(2), ['identity_unavailable', 'identity_unavailable']);
  assert.equal(verdict(await ask(identifier, authorization('alice', 'wonder'), '2001:db8:1:3::1')), 'alice');
});
