import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cookieValue, hasSeveralCookies, splitCookies } from './cookie.ts';

test('the first cookie of a name is found, whatever stands around it', () => {
  assert.equal(cookieValue('a=1; session=x; b=2', 'session'), 'x');
  assert.equal(cookieValue('session="x y"', 'session'), 'x y');
  assert.equal(cookieValue('session=', 'session'), '');
  assert.equal(cookieValue('my-session=x; session', 'session'), undefined);
  assert.equal(cookieValue('session=1;session=2', 'session'), '1');
});

test('white space around a name or a value is no part of it, and nothing else is white space', () => {
  for (const field of ['session =x', '\tsession=x', 'a=1;\t session\t=\tx\t; b=2']) {
    assert.equal(cookieValue(field, 'session'), 'x', JSON.stringify(field));
    assert.match(splitCookies(field, new Set(['session'])).chosen, /^session/);
  }
  assert.equal(cookieValue('\xa0session=x', 'session'), undefined);
  assert.deepEqual(splitCookies('\xa0session=x', new Set(['session'])), { chosen: '', rest: '\xa0session=x' });
  assert.equal(hasSeveralCookies('session=1; session =2', 'session'), true);
});

test('a second cookie of a name is noticed', () => {
  assert.equal(hasSeveralCookies('session=1; other=2', 'session'), false);
  assert.equal(hasSeveralCookies('other=2', 'session'), false);
  assert.equal(hasSeveralCookies('session=1; other=2;  session=1', 'session'), true);
});

test('cookies are taken apart by name', () => {
  const split = (field: string) => splitCookies(field, new Set(['session', 'csrf']));
  assert.deepEqual(split('a=1; session=x;csrf=y ; b; session=z'), {
    chosen: 'session=x; csrf=y; session=z',
    rest: 'a=1; b',
  });
  assert.deepEqual(split('a=1'), { chosen: '', rest: 'a=1' });
  assert.deepEqual(split('session=x; '), { chosen: 'session=x', rest: '' });
  assert.deepEqual(split(''), { chosen: '', rest: '' });
});
