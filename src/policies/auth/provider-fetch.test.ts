import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startUpstream } from '../../../test/harness.ts';
import { type Authority, makeAuthority } from '../../../test/support/certificates.ts';
import { providerFetch } from './provider-fetch.ts';

describe('over TLS', () => {
  let authority: Authority;
  let server: Server;
  let url: string;

  before(async () => {
    authority = makeAuthority();
    const { certificate, key } = authority.issue(['127.0.0.1']);
    server = createServer({ cert: certificate, key }, (_request, response) => response.end('"hello"'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  test('only authorities that are trusted vouch for a provider', async () => {
    const trusting = providerFetch({ timeout: 5000, ca: authority.certificate });
    assert.equal(await (await trusting(url, {})).json(), 'hello');
    assert.equal((await trusting(url, {})).status, 200);
    await assert.rejects(providerFetch({ timeout: 5000, ca: undefined })(url, {}), /certificate/);
    await assert.rejects(providerFetch({ timeout: 5000, ca: makeAuthority().certificate })(url, {}), /certificate/);
  });
});

test('what is asked goes out as it is, and redirects are answers', async () => {
  const bodies: string[] = [];
  const upstream = await startUpstream(async (request, response) => {
    bodies.push(Buffer.concat(await Array.fromAsync(request)).toString());
    response.writeHead(307, { location: 'https://elsewhere.example/', 'x-many': ['a', 'b'] }).end();
  });
  const fetch = providerFetch({ timeout: 5000, ca: undefined });
  const headers = new Headers({ authorization: 'Basic x', 'content-type': 'application/x-www-form-urlencoded' });
  const answer = await fetch(`${upstream.url}/token?a=b`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({ c: 'd e' }),
  });
  assert.equal(answer.status, 307);
  assert.equal(answer.headers.get('x-many'), 'a, b');
  assert.deepEqual(bodies, ['c=d+e']);
  assert.equal(upstream.requests[0]?.headers.authorization, 'Basic x');
  await upstream.close();
});
