/** Heads as browsers and services send them. */

export const REQUEST_HEAD = [
  'GET /v1/catalog/items/7d1f6a3e?language=en&currency=EUR HTTP/1.1',
  'Host: shop.example',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Accept: application/json, text/plain, */*',
  'Accept-Language: en-US,en;q=0.7,de;q=0.3',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Authorization: Bearer 3f9c1b7a2d5e4f60817263544a5b6c7d8e9f0a1b2c3d4e5f',
  'Referer: https://shop.example/items',
  'Connection: keep-alive',
  'Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark',
  'Cache-Control: no-cache',
  '',
  '',
].join('\r\n');

export const RESPONSE_HEAD = [
  'HTTP/1.1 200 OK',
  'Server: nginx',
  'Date: Tue, 24 Nov 2026 08:00:00 GMT',
  'Content-Type: application/json; charset=utf-8',
  'Content-Length: 203',
  'Connection: keep-alive',
  'ETag: W/"cb-3f9c1b7a2d5e4f60"',
  'Vary: Accept-Encoding',
  'Cache-Control: private, max-age=0',
  '',
  '',
].join('\r\n');

/** Room before and behind, as in a connection's buffer. */
export function inBuffer(text: string): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.alloc(16 * 1024);
  const start = 128;
  return { bytes, start, end: start + bytes.write(text, start, 'latin1') };
}

export const LIMITS = { maxHead: 64 * 1024, maxTarget: 8 * 1024, maxFields: 128 };
