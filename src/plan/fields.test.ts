import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { count, duration, httpUrl, listOf, namedMap, percent, rate, regex, secret, size } from './fields.ts';

function refusal(schema: z.ZodType, value: unknown): { message?: string; remedy: unknown } {
  const result = schema.safeParse(value);
  assert.equal(result.success, false, `${JSON.stringify(value)} was accepted`);
  const issue = result.error?.issues[0];
  return { message: issue?.message ?? '', remedy: issue?.code === 'custom' ? issue.params?.remedy : undefined };
}

test('notations come out as numbers', () => {
  assert.equal(duration().parse('1h30m'), 5_400_000);
  assert.equal(duration().parse(0), 0);
  assert.equal(size().parse('64KiB'), 65_536);
  assert.equal(percent().parse('20%'), 0.2);
  assert.deepEqual(rate().parse('300/min by address'), { limit: 300, per: 60_000, by: 'address' });
});

test('a bare number is told what to write', () => {
  assert.deepEqual(refusal(duration(), 5), { message: 'a duration needs a unit', remedy: 'Write `5s` or `5ms`.' });
  assert.equal(refusal(percent(), 0.2).remedy, 'Write `20%`.');
  assert.equal(refusal(rate(), 10).remedy, 'Say per what: `10/s`, `10/min`.');
});

test('bounds are words of the same notation', () => {
  const field = duration({ min: 1000, max: 60_000 });
  assert.equal(field.parse('1s'), 1000);
  assert.equal(refusal(field, '2m').message, 'this must be at most `1m`');
  assert.equal(refusal(field, '0').message, 'this must be at least `1s`');
  assert.equal(refusal(size({ max: 1024 }), '1MiB').remedy, 'Write `1KiB` or less.');
});

test('one item is a list of one', () => {
  assert.deepEqual(listOf(duration()).parse('5s'), [5000]);
  assert.deepEqual(listOf(duration()).parse(['5s', 0]), [5000, 0]);
});

test('an entry of a named map can be turned off', () => {
  assert.deepEqual(namedMap(count(1, 9)).parse({ a: 5, b: false }), { a: 5, b: false });
  refusal(namedMap(count(1, 9)), { a: true });
});

test('URLs and regular expressions are tried', () => {
  assert.equal(httpUrl().parse('http://127.0.0.1:3000'), 'http://127.0.0.1:3000');
  for (const text of ['127.0.0.1:3000', 'ftp://a', '/path', '']) refusal(httpUrl(), text);
  assert.equal(regex().parse('^/a(b)?$'), '^/a(b)?$');
  refusal(regex(), '(');
});

test('a secret stays marked through the checks put on it', () => {
  const field = secret(z.string()).min(16).optional();
  const inner = field.unwrap();
  assert.equal(z.globalRegistry.get(inner)?.secret, true);
});
