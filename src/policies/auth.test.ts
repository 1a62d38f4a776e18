import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import { ResponseHead } from '../plan/call.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { Identifier } from '../plan/identifier.ts';
import type { CompileEnv, Hooks } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { auth } from './auth.ts';

function identityOf(id: string, method: string): Identity {
  return { id, method, consumer: null, plan: null, scopes: [], roles: [], groups: [], claims: {} };
}

type Answer = ReturnType<Identifier['identify']>;

/** An entry that answers as told, by name. */
class Entry implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string | null;
  readonly conceal: (exchange: Exchange) => void;
  invite: Identifier['invite'] = null;
  respond?: NonNullable<Identifier['respond']>;
  readonly serve = null;
  readonly answer: () => Answer;
  asked = 0;
  concealed = 0;

  constructor(
    entry: string,
    place: string,
    answer: () => Answer,
    challenge: string | null = `Bearer realm="${entry}"`,
  ) {
    this.entry = entry;
    this.place = place;
    this.answer = answer;
    this.challenge = challenge;
    this.conceal = () => {
      this.concealed++;
    };
  }

  identify(): Answer {
    this.asked++;
    return this.answer();
  }

  close(): void {}
}

const nothing = (): undefined => undefined;
const wrong = (): Reply => Reply.refuse(errors.tokenInvalid);
const unavailable = (): Reply => Reply.refuse(errors.identityUnavailable);
const later =
  <T>(answer: () => T) =>
  (): Promise<T> =>
    new Promise((resolve) => setImmediate(() => resolve(answer())));

async function run(
  options: unknown,
  entries: readonly Entry[],
): Promise<{ exchange: Exchange; reply: Reply | undefined }> {
  const env = { identifier: (name: string) => entries.find(({ entry }) => entry === name) ?? null };
  const hooks = auth.compile(auth.schema.parse(options), env as unknown as CompileEnv) as Hooks;
  const exchange = exchangeOf();
  return { exchange, reply: await hooks.request?.run(exchange) };
}

function challengesOf(reply: Reply | undefined): string[] {
  const challenges: string[] = [];
  reply?.headers.forEach((name, value) => {
    if (name === fieldName('www-authenticate').lower) challenges.push(value);
  });
  return challenges;
}

describe('auth', () => {
  test('public: nothing runs', () => {
    assert.equal(auth.compile(auth.schema.parse('public'), {} as CompileEnv), null);
  });

  test('who identifies is known from there on, and every entry takes its credential away', async () => {
    const one = new Entry('one', 'a', nothing);
    const two = new Entry('two', 'b', () => identityOf('7', 'two'));
    const { exchange, reply } = await run(['one', 'two'], [one, two]);
    assert.equal(reply, undefined);
    assert.equal(exchange.identity?.id, '7');
    assert.deepEqual([one.concealed, two.concealed], [1, 1]);
  });

  test('without a credential, all challenges, one field each', async () => {
    const { exchange, reply } = await run(
      ['one', 'two'],
      [new Entry('one', 'a', nothing), new Entry('two', 'b', nothing)],
    );
    assert.equal(reply?.error, errors.credentialMissing);
    assert.deepEqual(challengesOf(reply), ['Bearer realm="one"', 'Bearer realm="two"']);
    assert.equal(exchange.identity, null);
  });

  test('optional: anonymous callers pass, a wrong credential never', async () => {
    const anonymous = await run({ methods: ['one'], optional: true }, [new Entry('one', 'a', nothing)]);
    assert.equal(anonymous.reply, undefined);
    assert.equal(anonymous.exchange.identity, null);
    const entry = new Entry('one', 'a', wrong);
    const refused = await run({ methods: ['one'], optional: true }, [entry]);
    assert.equal(refused.reply?.error, errors.tokenInvalid);
    assert.equal(entry.concealed, 1, 'the log of a refusal must not show it either');
  });

  for (const [how, wrap] of [
    ['at once', (answer: () => Answer) => answer],
    ['later', later],
  ] as const) {
    describe(`answers that come ${how}`, () => {
      const entry = (name: string, place: string, answer: () => Answer): Entry =>
        new Entry(name, place, wrap(answer) as () => Answer);

      test('a wrong credential is refused even where another one is right, before or behind it', async () => {
        const right = (): Identity => identityOf('7', 'right');
        for (const order of [
          ['right', 'wrong'],
          ['wrong', 'right'],
        ]) {
          const { exchange, reply } = await run(order, [entry('right', 'a', right), entry('wrong', 'b', wrong)]);
          assert.equal(reply?.error, errors.tokenInvalid, order.join());
          assert.equal(exchange.identity, null);
        }
      });

      test('entries that look at the same place are alternatives for one credential', async () => {
        const taken = entry('taken', 'a', () => identityOf('7', 'taken'));
        const after = entry('after', 'a', wrong);
        const { exchange, reply } = await run(
          ['foreign', 'elsewhere', 'taken', 'after'],
          [entry('foreign', 'a', wrong), entry('elsewhere', 'b', nothing), taken, after],
        );
        assert.equal(reply, undefined);
        assert.equal(exchange.identity?.method, 'taken');
        assert.equal(after.asked, 0);
      });

      test('the first place that identifies says who it is', async () => {
        const { exchange } = await run(
          ['one', 'two'],
          [entry('one', 'a', () => identityOf('1', 'one')), entry('two', 'b', () => identityOf('2', 'two'))],
        );
        assert.equal(exchange.identity?.id, '1');
      });

      test('what cannot be judged is not called wrong', async () => {
        const { reply } = await run(['one', 'two'], [entry('one', 'a', unavailable), entry('two', 'a', wrong)]);
        assert.equal(reply?.error, errors.identityUnavailable);
        const other = await run(['two', 'one'], [entry('one', 'a', unavailable), entry('two', 'a', wrong)]);
        assert.equal(other.reply?.error, errors.identityUnavailable);
      });
    });
  }

  test('an entry may invite to identify instead', async () => {
    const login = new Entry('login', 'cookie', nothing, null);
    const invitation = Reply.refuse(errors.accessDenied);
    login.invite = () => invitation;
    const { reply } = await run(['api', 'login'], [new Entry('api', 'a', nothing), login]);
    assert.equal(reply, invitation);
    login.invite = () => undefined;
    const declined = await run(['api', 'login'], [new Entry('api', 'a', nothing), login]);
    assert.deepEqual(challengesOf(declined.reply), ['Bearer realm="api"']);
  });

  test('who vouched conceals last, and alone has something to add to the response', async () => {
    const order: string[] = [];
    const entries = ['one', 'two', 'three'].map((name) => {
      const each = new Entry(name, name, () => (name === 'two' ? identityOf('2', name) : undefined));
      each.respond = () => order.push(`${name} responds`);
      return Object.assign(each, { conceal: () => order.push(name) });
    });
    const env = { identifier: (name: string) => entries.find(({ entry }) => entry === name) ?? null };
    const hooks = auth.compile(['one', 'two', 'three'], env as unknown as CompileEnv) as Hooks;
    const exchange = exchangeOf();
    assert.equal(await hooks.request?.run(exchange), undefined);
    const head = new ResponseHead(200, exchange.headers, 'none', -1);
    assert.equal(hooks.response?.run(exchange, head), undefined);
    assert.deepEqual(order, ['one', 'three', 'two', 'two responds']);
    assert.equal(hooks.response?.run(exchangeOf(), head), undefined);
    assert.equal(order.length, 4);
  });
});
