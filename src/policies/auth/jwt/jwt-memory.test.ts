import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { identifierEnv, type TestIdentifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { type Signer, secondsFromNow, signer, tokenOf } from '../../../../test/support/tokens.ts';
import type { Identity } from '../../../plan/exchange.ts';
import type { Identifier } from '../../../plan/identifier.ts';
import type { Reply } from '../../../plan/reply.ts';
import { type JwksState, KEYS_FEED, STATE } from '../jwks/jwks-feed.ts';
import { jwt } from './jwt.ts';

/** What an entry remembers: the same identity object tells that a token was not verified again. */

const issuer = 'https://login.example';
const by = signer('ES256', 'one');
const next = signer('ES256', 'two');

function open(options: object = {}): { identifier: Identifier; env: TestIdentifierEnv } {
  const env = identifierEnv();
  publish(env, [by]);
  return { identifier: jwt.compile(jwt.schema.parse({ issuer, audience: 'shop', ...options }), env), env };
}

function publish(env: TestIdentifierEnv, signers: readonly Signer[], failure: string | null = null): void {
  const keys = signers.map(({ jwk }) => jwk as unknown as JwksState['keys'][number]);
  env.feeds.find<JwksState>(KEYS_FEED).replace([[STATE, { keys, obtained: true, failure }]]);
}

function token(more: object = {}): string {
  const times = { exp: secondsFromNow(600), iat: secondsFromNow(-60) };
  return tokenOf(by, { iss: issuer, aud: 'shop', sub: 'ann', jti: 'first', ...times, ...more });
}

function ask(identifier: Identifier, text: string): Identity | Reply | undefined {
  const answer = identifier.identify(exchangeOf({ headers: [['authorization', `Bearer ${text}`]] }));
  assert.ok(!(answer instanceof Promise));
  return answer;
}

test('a verified token is not verified again', () => {
  const { identifier } = open();
  const text = token();
  const identity = ask(identifier, text);
  assert.equal(verdict(identity), 'ann');
  assert.equal(ask(identifier, text), identity);
  assert.notEqual(ask(identifier, token({ jti: 'second' })), identity);
  const none = open({ remember: 0 }).identifier;
  assert.notEqual(ask(none, text), ask(none, text));
});

test('no part of a remembered token may change', async () => {
  const { identifier } = open();
  const text = token();
  assert.equal(verdict(ask(identifier, text)), 'ann');
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
    const answer = await identifier.identify(exchangeOf({ headers: [['authorization', `Bearer ${changed}`]] }));
    assert.match(String(verdict(answer)), /^token_(?:invalid|malformed|expired)$/, `character ${at}`);
  }
});

test('it ends when the token does', (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const { identifier } = open({ clockSkew: '1s' });
  const text = token({ exp: secondsFromNow(10) });
  assert.equal(verdict(ask(identifier, text)), 'ann');
  context.mock.timers.tick(9_000);
  assert.equal(verdict(ask(identifier, text)), 'ann');
  context.mock.timers.tick(3_000);
  assert.equal(verdict(ask(identifier, text)), 'token_expired');
});

test('a rotation of keys is obeyed at once, and an outage forgets nothing', async () => {
  const { identifier, env } = open();
  const text = token();
  const identity = ask(identifier, text);
  publish(env, [by], 'answers 500');
  assert.equal(ask(identifier, text), identity);
  publish(env, [by, next]);
  const again = ask(identifier, text);
  assert.notEqual(again, identity, 'judged anew');
  assert.equal(verdict(again), 'ann');
  publish(env, [next]);
  const answer = identifier.identify(exchangeOf({ headers: [['authorization', `Bearer ${text}`]] }));
  assert.equal(verdict(await answer), 'token_invalid');
});

test('what was revoked is refused, remembered or not, and the rest goes on', () => {
  for (const [kind, id] of [
    ['token', 'first'],
    ['subject', 'ann'],
    ['subject', 'ann@shop.example'],
    ['consumer', 'acme'],
  ] as const) {
    const { identifier, env } = open({ id: 'email', consumer: 'azp' });
    const text = token({ email: 'ann@shop.example', azp: 'acme' });
    const other = token({ sub: 'bob', email: 'bob@shop.example', jti: 'second' });
    const identity = ask(identifier, text);
    const bob = ask(identifier, other);
    assert.equal(verdict(identity), 'ann@shop.example');
    env.revocations.revoke('token', 'somebody else’s');
    assert.equal(ask(identifier, text), identity, 'compared again, not verified again');
    env.revocations.revoke(kind, id);
    assert.equal(verdict(ask(identifier, text)), 'credential_revoked', kind);
    assert.equal(verdict(ask(identifier, text)), 'credential_revoked', 'nor is it remembered as good after that');
    assert.equal(ask(identifier, other), bob);
  }
});
