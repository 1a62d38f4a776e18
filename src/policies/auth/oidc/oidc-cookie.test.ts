import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import { Cookies, chunksOf } from './oidc-cookie.ts';

const secure = new Cookies({ name: 'web', sameSite: 'Lax' }, true);
const plain = new Cookies({ name: 'web', sameSite: 'Strict' }, false);
const cookie = fieldName('cookie');

function setCookies(headers: HeaderBlock): string[] {
  const lines: string[] = [];
  headers.forEach((name, value) => {
    if (name === 'set-cookie') lines.push(value);
  });
  return lines;
}

function written(text: string, before = 0, cookies = secure): string[] {
  const headers = new HeaderBlock();
  cookies.writeSession(headers, text, 60, before);
  return setCookies(headers);
}

/** What a browser sends back, among others. */
function sentBack(lines: readonly string[]): string {
  return ['theme=dark', ...lines.map((line) => line.split(';', 1)[0] ?? ''), 'lang=en'].join('; ');
}

describe('the session', () => {
  test('comes back whole, however long it is, and no cookie is too long for a browser', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 15_200 }), (length) => {
        const text = 'x'.repeat(length - 1).concat('y');
        assert.ok(secure.fits(text));
        const lines = written(text);
        assert.equal(lines.length, chunksOf(text));
        for (const line of lines) assert.ok(line.length <= 4096, String(line.length));
        assert.equal(secure.readSession(sentBack(lines)), text);
      }),
      { numRuns: 50 },
    );
    assert.ok(!secure.fits('x'.repeat(15_201)));
  });

  test('over TLS it cannot be set by neighbours nor read on the way', () => {
    assert.deepEqual(written('text'), ['__Host-web=1.text; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Lax']);
    assert.deepEqual(written('text', 0, plain), ['web=1.text; Max-Age=60; Path=/; HttpOnly; SameSite=Strict']);
    assert.equal(secure.readSession('web=1.text'), undefined);
    assert.equal(plain.readSession('__Host-web=1.text'), undefined);
  });

  test('what is left of a longer one goes', () => {
    assert.deepEqual(
      written('text', 3).slice(1),
      ['__Host-web.1', '__Host-web.2'].map((name) => `${name}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`),
    );
    const headers = new HeaderBlock();
    secure.clearSession(headers, 'a=b; __Host-web=2.x; __Host-web.1=y');
    assert.equal(setCookies(headers).length, 2);
    const none = new HeaderBlock();
    secure.clearSession(none, 'a=b');
    assert.deepEqual(setCookies(none), []);
  });

  test('one with a part missing, or in no known form, is broken rather than absent', () => {
    for (const value of ['', 'text', '0.text', '5.text', '12.text', '2.text', '-1.text']) {
      assert.equal(secure.readSession(`__Host-web=${value}`), '', value);
    }
    assert.equal(secure.readSession('other=1.text'), undefined);
    assert.equal(secure.readSession('__Host-web-2=1.text; x__Host-web=1.text'), undefined);
  });
});

describe('logins', () => {
  test('each has a cookie of its own, which comes along from another site', () => {
    const headers = new HeaderBlock();
    const strict = new Cookies({ name: 'web', sameSite: 'Strict' }, true);
    strict.writeLogin(headers, 'abc', 'sealed', 900);
    assert.deepEqual(setCookies(headers), [
      '__Host-web.login.abc=sealed; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax',
    ]);
    const field = 'a=b; __Host-web.login.abc=sealed; __Host-web.login.def=other; __Host-web=1.x';
    assert.equal(strict.readLogin(field, 'abc'), 'sealed');
    assert.equal(strict.readLogin(field, 'ab'), undefined);
    assert.deepEqual(strict.loginKeys(field), ['abc', 'def']);
  });
});

describe('concealing', () => {
  function concealed(...fields: string[]): string | undefined {
    const headers = HeaderBlock.of(fields.map((field) => ['cookie', field] as const));
    secure.conceal(headers);
    assert.ok(headers.occurrences(cookie) <= 1);
    return headers.get(cookie);
  }

  test('takes these cookies and no other', () => {
    assert.equal(concealed('a=b; __Host-web=2.x; c="d; e"; __Host-web.1=y'), 'a=b; c="d; e"');
    assert.equal(concealed('__Host-web=1.x'), undefined);
    assert.equal(concealed('__Host-web=1.x; __Host-web.login.abc=y'), undefined);
    assert.equal(concealed('a=b', '__Host-web=1.x'), 'a=b');
    assert.equal(concealed('a=b; __Host-web-2=x; __Host-webs=y'), 'a=b; __Host-web-2=x; __Host-webs=y');
    assert.equal(concealed(), undefined);
  });

  test('those of a sign-in without TLS come along over TLS, and the other way round', () => {
    assert.equal(concealed('a=b; web=1.x; web.1=y; web.login.abc=z; webs=c'), 'a=b; webs=c');
    const headers = HeaderBlock.of([['cookie', '__Host-web=1.x; web=1.x; a=b']]);
    new Cookies({ name: 'web', sameSite: 'Lax' }, false).conceal(headers);
    assert.equal(headers.get(cookie), 'a=b');
  });

  test('spellings that some servers take are seen too', () => {
    assert.equal(concealed('a=b;__Host-web=1.x;c=d'), 'a=b;c=d');
    assert.equal(concealed('a=b; __Host-web =1.x'), 'a=b');
    assert.equal(concealed('a=b; __Host-web'), 'a=b');
  });
});
