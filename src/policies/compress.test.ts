import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf } from '../../test/support/policy.ts';
import { compress } from './compress.ts';

/** What requests are made to ask for; what becomes of answers is in `test/scenario/compress.test.ts`. */

const BROWSER = 'gzip, deflate, br, zstd';

function asked(options: unknown, facts: ExchangeFacts & { upgrade?: string }): string | null {
  const exchange = exchangeOf({ ...facts, headers: [['accept-encoding', BROWSER], ...(facts.headers ?? [])] });
  exchange.upgrade = facts.upgrade ?? null;
  assert.equal(compilePolicy(compress, options).request(exchange), null);
  return fieldValue(exchange.headers, 'accept-encoding');
}

const CODED = 'br, gzip;q=0.5';
const certificate = { subject: 'CN=a' } as never;

describe('callers with credentials', () => {
  const crossSite = ['sec-fetch-site', 'cross-site'] as const;
  const cookie = ['cookie', 'session=1'] as const;
  const cases: [what: string, facts: ExchangeFacts, usual: string, never: string][] = [
    ['nobody', {}, CODED, CODED],
    ['nobody, from another site', { headers: [crossSite] }, CODED, CODED],
    ['a cookie', { headers: [cookie] }, CODED, 'identity'],
    ['a cookie, from the same site', { headers: [cookie, ['sec-fetch-site', 'same-site']] }, CODED, 'identity'],
    ['a cookie, from another site', { headers: [cookie, crossSite] }, 'identity', 'identity'],
    ['a cookie, by a link', { headers: [cookie, crossSite, ['sec-fetch-user', '?1']] }, CODED, 'identity'],
    [
      'a password, from another site',
      { headers: [['authorization', 'Basic eA=='], crossSite] },
      'identity',
      'identity',
    ],
    ['a token, from another site', { headers: [['authorization', 'Bearer x'], crossSite] }, CODED, 'identity'],
    ['a certificate, from another site', { peer: { certificate }, headers: [crossSite] }, 'identity', 'identity'],
    ['an identity by another header', { identity: { id: 'ada' } }, CODED, 'identity'],
  ];
  for (const [what, facts, usual, never] of cases) {
    test(what, () => {
      assert.equal(asked(true, facts), usual);
      assert.equal(asked({ authenticated: false }, facts), never);
      assert.equal(asked({ authenticated: true }, facts), CODED);
    });
  }
});

test('`unless` holds, does not hold, or cannot be told', () => {
  const options = { unless: "header['x-secret'] == '1'" };
  assert.equal(asked(options, { headers: [['x-secret', '1']] }), 'identity');
  assert.equal(asked(options, { headers: [['x-secret', '0']] }), CODED);
  assert.equal(asked(options, {}), 'identity');
});

test('an upgrade goes on as it is', () => {
  assert.equal(asked({ authenticated: false, unless: 'true' }, { upgrade: 'websocket' }), BROWSER);
});

test('several fields are one', () => {
  const exchange = exchangeOf({
    headers: [
      ['accept-encoding', 'gzip;q=0.5'],
      ['accept-encoding', 'br'],
    ],
  });
  compilePolicy(compress, true).request(exchange);
  assert.equal(fieldValue(exchange.headers, 'accept-encoding'), CODED);
});

test('a rule that writes what it goes by is warned of', () => {
  for (const [headers, count] of [
    [{ remove: ['accept-encoding'] }, 1],
    [{ set: { 'Accept-Encoding': 'gzip' } }, 1],
    [{ set: { accept: 'x' }, remove: ['cookie'] }, 0],
    [undefined, 0],
  ] as const) {
    const placement = { setting: (name: string) => (name === 'request' ? { headers } : undefined) };
    const { problems } = compilePolicy(compress, true, {}, undefined, undefined, { placement });
    assert.equal(problems.filter(({ code }) => code === 'overruled-setting').length, count);
  }
});

test('problems of options', () => {
  assert.deepEqual(problemsOf(compress, { types: 'json' }), [
    'Write for instance `application/json`, `text/*` or `application/*+json`.',
  ]);
  assert.equal(problemsOf(compress, { codings: ['deflate'] }).length, 1);
  assert.equal(problemsOf(compress, { levels: { br: 12 } }).length, 1);
  assert.equal(problemsOf(compress, { maxStreams: 0 }).length, 1);
  assert.deepEqual(problemsOf(compress, { types: ['*/*', 'text/event-stream'], codings: 'zstd' }), []);
});
