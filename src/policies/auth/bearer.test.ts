import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExchangeFacts, exchangeOf } from '../../../test/support/exchange.ts';
import { fieldValue } from '../../../test/support/policy.ts';
import { errors } from '../../base/gateway-error.ts';
import { type BearerOptions, bearerAnswers, bearerPlace } from './bearer.ts';

function find(options: Partial<BearerOptions>, facts: ExchangeFacts): string | null | undefined {
  return bearerPlace({ keep: false, ...options }).find(exchangeOf(facts));
}

function headers(...fields: [string, string][]): ExchangeFacts {
  return { headers: fields };
}

test('a token stands behind its scheme', () => {
  const found = (value: string) => find({}, headers(['authorization', value]));
  assert.equal(found('Bearer abc'), 'abc');
  assert.equal(found('bEARER   abc'), 'abc');
  assert.equal(found('Bearer a b'), 'a b', 'to be refused as a token, and not to be cut');
  assert.equal(found('Bearer'), '');
  assert.equal(found('Bearer '), '');
  for (const odd of ['Bearer\tabc', 'Bearer,abc', 'Bearer=abc', 'Bearer\xa0abc']) {
    assert.equal(found(odd), odd.slice(6), 'to be refused, since the service might take it for a token');
  }
  for (const other of ['Basic abc', 'Bearers abc', 'Bear', 'abc', '']) {
    assert.equal(found(other), undefined, other);
  }
  assert.equal(find({}, {}), undefined);
  assert.equal(find({ scheme: 'JWT' }, headers(['authorization', 'jwt abc'])), 'abc');
  assert.equal(find({ scheme: false, header: 'authorization' }, headers(['authorization', 'abc'])), 'abc');
});

test('or by itself in a header of its own, in a cookie, in the query', () => {
  assert.equal(find({ header: 'x-token' }, headers(['x-token', 'abc'])), 'abc');
  assert.equal(find({ header: 'x-token', scheme: 'Token' }, headers(['x-token', 'token abc'])), 'abc');
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'a=b; session=abc'])), 'abc');
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'a=b'], ['cookie', 'session=abc'])), 'abc');
  assert.equal(find({ cookie: 'session' }, headers(['authorization', 'Bearer abc'])), undefined);
  assert.equal(find({ query: 'access_token' }, { target: '/?a=b&access%5Ftoken=a%2Eb' }), 'a.b');
  for (const target of ['/', '/?access_token', '/?access_token=', '/?xaccess_token=a']) {
    assert.equal(find({ query: 'access_token' }, { target }), undefined);
  }
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'session='])), undefined);
});

test('of two tokens none counts', () => {
  assert.equal(find({}, headers(['authorization', 'Bearer a'], ['authorization', 'Bearer a'])), null);
  assert.equal(find({}, headers(['authorization', 'Basic a'], ['authorization', 'Bearer a'])), null);
  assert.equal(find({ header: 'x-token' }, headers(['x-token', 'a'], ['x-token', 'a'])), null);
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'session=a; session=b'])), null);
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'session=a'], ['cookie', 'session=b'])), null);
  assert.equal(find({ query: 'token' }, { target: '/?token=a&t%6Fken=a' }), null);
  assert.equal(find({ query: 'token' }, { target: '/?token&token=a' }), null, 'nor where the first is empty');
  assert.equal(find({ cookie: 'session' }, headers(['cookie', 'session=; session=b'])), null);
});

test('several places of one entry', () => {
  const options = { header: 'authorization', cookie: 'session', query: 'token' };
  const at = (header: string | null, cookie: string | null, query: string | null) =>
    find(options, {
      target: query === null ? '/' : `/?token=${query}`,
      headers: [
        ...(header === null ? [] : [['authorization', `Bearer ${header}`] as const]),
        ...(cookie === null ? [] : [['cookie', `session=${cookie}`] as const]),
      ],
    });
  assert.equal(at('a', null, null), 'a');
  assert.equal(at(null, 'a', null), 'a');
  assert.equal(at(null, null, 'a'), 'a');
  assert.equal(at('a', 'a', 'a'), 'a', 'the same one');
  assert.equal(at('a', 'b', null), null);
  assert.equal(at('a', null, 'b'), null);
  assert.equal(at(null, 'a', 'b'), null);
});

test('entries that look at the same place first say so', () => {
  const name = (options: Partial<BearerOptions>) => bearerPlace({ keep: false, ...options }).name;
  assert.equal(name({}), 'bearer authorization');
  assert.equal(name({ header: 'authorization', query: 'access_token' }), 'bearer authorization');
  assert.equal(name({ header: 'x-token' }), 'header x-token');
  assert.equal(name({ cookie: 'session' }), 'cookie session');
  assert.equal(name({ query: 'access_token' }), 'query access_token');
});

test('a token is concealed, and nothing else', () => {
  const place = bearerPlace({ keep: false, header: 'authorization', cookie: 'session', query: 'token' });
  const exchange = exchangeOf({
    target: '/?a=b&token=x&c&t%6fken=y',
    headers: [
      ['authorization', 'Bearer x'],
      ['cookie', 'a=b; session=x; theme=dark; session=y'],
      ['accept', '*/*'],
    ],
  });
  place.conceal(exchange);
  assert.equal(exchange.query, 'a=b&c');
  assert.deepEqual(exchange.headers.serialize(), 'accept: */*\r\ncookie: a=b; theme=dark\r\n');
  const other = exchangeOf({
    headers: [
      ['authorization', 'Basic x'],
      ['cookie', 'a=b'],
    ],
  });
  place.conceal(other);
  assert.deepEqual(other.headers.serialize(), 'authorization: Basic x\r\ncookie: a=b\r\n');
  const lone = exchangeOf({ headers: [['cookie', 'session=x']] });
  place.conceal(lone);
  assert.equal(lone.headers.serialize(), '');
});

test('nor does another spelling of its header reach the service', () => {
  const exchange = exchangeOf({
    headers: [
      ['X_Token', 'x'],
      ['x.token', 'y'],
      ['x-tokens', 'z'],
    ],
  });
  bearerPlace({ keep: false, header: 'x-token' }).conceal(exchange);
  assert.equal(exchange.headers.serialize(), 'x-tokens: z\r\n');
});

test('what callers hear (RFC 6750, 3)', () => {
  const answers = bearerAnswers({ keep: false }, 'customer');
  assert.equal(answers.challenge, 'Bearer realm="customer"');
  const invalid = answers.invalid(errors.tokenExpired);
  assert.equal(invalid.status, 401);
  assert.equal(fieldValue(invalid.headers, 'www-authenticate'), 'Bearer realm="customer", error="invalid_token"');
  assert.equal(invalid.detail, null);
  const several = answers.several();
  assert.equal(several.status, 400);
  assert.equal(fieldValue(several.headers, 'www-authenticate'), 'Bearer realm="customer", error="invalid_request"');
  const beyond = answers.outOfScope('a b');
  assert.equal(beyond.status, 403);
  assert.equal(
    fieldValue(beyond.headers, 'www-authenticate'),
    'Bearer realm="customer", error="insufficient_scope", scope="a b"',
  );
  assert.equal(bearerAnswers({ keep: false, realm: 'shop' }, 'x').challenge, 'Bearer realm="shop"');
  assert.equal(bearerAnswers({ keep: false }, 'a"b\\c\r\né').challenge, 'Bearer realm="abc"');
});
