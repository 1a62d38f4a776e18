import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { deprecated } from './deprecated.ts';

function answer(options: unknown, upstream: [string, string][] = []) {
  const { headers } = compilePolicy(deprecated, options).response(exchangeOf(), upstream);
  return (name: string) => fieldValue(headers, name);
}

test('the headers of RFC 9745 and RFC 8594', () => {
  const value = answer({ since: '2026-01-01', sunset: '2027-06-30', link: 'https://shop.example/docs/v2' }, [
    ['link', '</next>; rel="next"'],
  ]);
  assert.equal(value('deprecation'), '@1767225600');
  assert.equal(value('sunset'), 'Wed, 30 Jun 2027 00:00:00 GMT');
  assert.equal(
    value('link'),
    '</next>; rel="next", <https://shop.example/docs/v2>; rel="deprecation"; type="text/html", ' +
      '<https://shop.example/docs/v2>; rel="sunset"; type="text/html"',
  );
  const bare = answer({ since: '2026-01-01T12:00:00+02:00' });
  assert.equal(bare('deprecation'), '@1767261600');
  assert.equal(bare('sunset'), null);
  assert.equal(bare('link'), null);
});

test('dates may have become objects on their way', () => {
  assert.equal(answer({ since: new Date('2026-01-01T00:00:00Z') })('deprecation'), '@1767225600');
});

test('after its day a route may be gone', () => {
  const refusedBy = (options: object) => refusal(compilePolicy(deprecated, options).request(exchangeOf()));
  assert.equal(refusedBy({ since: '2020-01-01', sunset: '2020-02-01', after: 410 }), errors.gone);
  assert.equal(refusedBy({ since: '2020-01-01', sunset: '9999-01-01', after: 410 }), null);
  assert.equal(refusedBy({ since: '2020-01-01', sunset: '2020-02-01' }), null, 'only where it is asked for');
  const watched = compilePolicy(deprecated, { since: '2020-01-01', sunset: '2020-02-01', after: 410, report: true });
  const exchange = exchangeOf();
  assert.equal(watched.request(exchange), null);
  assert.equal(exchange.reported, 1);
});

test('wrong dates', () => {
  for (const since of [
    '2026-02-30',
    '2026-13-01',
    'soon',
    '2026',
    '01/02/2026',
    '2026-01-01T25:00:00Z',
    new Date('x'),
  ]) {
    assert.equal(problemsOf(deprecated, { since }).length, 1, String(since));
  }
  assert.deepEqual(problemsOf(deprecated, { since: '2027-01-01', sunset: '2026-01-01' }), [
    'Write the later date under `sunset`.',
  ]);
  assert.deepEqual(problemsOf(deprecated, { since: '2027-01-01', after: 410 }), ['Add `sunset`.']);
});
