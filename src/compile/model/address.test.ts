import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parseUpstreamUrl } from './address.ts';

const address = (text: string): string => {
  const parsed = parseAddress(text);
  if (!parsed.ok) return parsed.remedy;
  const { host, port, path } = parsed.value;
  return path ?? `${host} ${port}`;
};

for (const [text, expected] of [
  ['127.0.0.1:8080', '127.0.0.1 8080'],
  ['[::1]:80', '::1 80'],
  ['localhost:0', 'localhost 0'],
  [':8080', '0.0.0.0 8080'],
  ['8080', '0.0.0.0 8080'],
  ['unix:/run/s.sock', '/run/s.sock'],
  ['::1', 'Write `[::1]:8080`.'],
  ['127.0.0.1', 'Write `127.0.0.1:8080`.'],
  ['[127.0.0.1]:1', 'Write `127.0.0.1:1`.'],
  ['h:99999', 'Ports go up to 65535.'],
  ['http://h:1/x', 'Write `h:1`.'],
  ['unix:s.sock', 'Write for instance `unix:/run/sluice.sock`.'],
] as const) {
  test(`the address ${text}`, () => assert.equal(address(text), expected));
}

const url = (text: string): string => {
  const parsed = parseUpstreamUrl(text);
  if (!parsed.ok) return parsed.remedy;
  const { tls, host, port, path, basePath } = parsed.value;
  return path ?? `${tls ? 'tls ' : ''}${host} ${port} ${basePath}`;
};

for (const [text, expected] of [
  ['http://a.example', 'a.example 80 '],
  ['https://a.example/v1/', 'tls a.example 443 /v1'],
  ['http://[::1]:81/a/b', '::1 81 /a/b'],
  ['unix:/run/a.sock', '/run/a.sock'],
  ['a.example:80/x', 'Write `http://a.example:80/x`.'],
  ['ftp://a.example', 'Write for instance `http://127.0.0.1:3000` or `unix:/run/app.sock`.'],
  ['http://a.example/?x=1', 'End it with the path.'],
  ['http://u:p@a.example', 'Set the `authorization` header with `request: { headers: … }`.'],
] as const) {
  test(`the URL ${text}`, () => assert.equal(url(text), expected));
}
