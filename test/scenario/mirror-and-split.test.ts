import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { freePort, type Gateway, startGateway, startUpstream, until } from '../harness.ts';

async function counted(gateway: Gateway, outcome: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(new RegExp(`^sluice_mirror_total\\{.*outcome="${outcome}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** A service that remembers what it got. */
async function startRecorder(delay = 0) {
  const bodies: string[] = [];
  const upstream = await startUpstream((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      bodies.push(createHash('sha256').update(Buffer.concat(pieces)).digest('hex'));
      setTimeout(() => response.end('recorded'), delay);
    });
  });
  return { upstream, bodies, [Symbol.asyncDispose]: () => upstream.close() };
}

describe('a mirrored route', () => {
  it('gives the other service the same requests, and callers notice nothing of it', async () => {
    await using mine = await startRecorder();
    await using next = await startRecorder(50);
    const config = `upstreams: { mine: ${mine.upstream.url}, next: ${next.upstream.url} }
routes: { /*: { to: mine, mirror: { to: next, maxBody: 100KiB, credentials: false } } }
`;
    await using gateway = await startGateway(config);
    const body = 'é'.repeat(20_000);
    const stream = () => new Blob([body]).stream();
    const headers = { authorization: 'Bearer x', 'x-tenant': 'acme' };
    const asks: RequestInit[] = [
      { headers },
      { method: 'POST', body, headers },
      { method: 'PUT', body: stream(), headers, duplex: 'half' } as RequestInit,
    ];
    for (const init of asks) {
      const response = await fetch(`${gateway.url}/v1/things?a=1`, init);
      assert.equal(await response.text(), 'recorded');
    }
    await until('all are there', () => next.bodies.length === 3);
    assert.deepEqual(next.bodies, mine.bodies);
    for (const [index, { method, url, headers: fields }] of next.upstream.requests.entries()) {
      const original = mine.upstream.requests[index];
      assert.deepEqual([method, url], [original?.method, original?.url]);
      assert.deepEqual([fields['x-sluice-mirror'], fields.authorization, fields['x-tenant']], ['1', undefined, 'acme']);
      assert.deepEqual(
        [original?.headers['x-sluice-mirror'], original?.headers.authorization],
        [undefined, 'Bearer x'],
      );
    }
    const large = await fetch(gateway.url, { method: 'POST', body: 'x'.repeat(200_000) });
    assert.equal(await large.text(), 'recorded');
    await until('it is counted', async () => (await counted(gateway, 'answered')) === 3);
    assert.equal(await counted(gateway, 'skipped'), 1);
    assert.equal(next.bodies.length, 3);
  });

  it('is as well as before when the other service is down, hangs or is slow', async () => {
    await using mine = await startRecorder();
    const hung = Promise.withResolvers<void>();
    await using hangs = await startUpstream(() => hung.resolve());
    const dead = `http://127.0.0.1:${await freePort()}`;
    const config = `upstreams: { mine: ${mine.upstream.url}, hangs: ${hangs.url}, dead: ${dead} }
routes:
  /dead: { to: mine, mirror: dead }
  /hangs: { to: mine, mirror: { to: hangs, timeout: 200ms, maxInFlight: 2 } }
`;
    await using gateway = await startGateway(config);
    for (let i = 0; i < 5; i++) {
      for (const path of ['/dead', '/hangs']) {
        const response = await fetch(gateway.url + path, { method: 'POST', body: 'hello' });
        assert.equal(await response.text(), 'recorded');
      }
    }
    await hung.promise;
    await until('five failed and two were given up', async () => (await counted(gateway, 'failed')) >= 5);
    assert.ok(hangs.requests.length >= 2);
    assert.equal(mine.bodies.length, 10);
  });

  it('sends a copy although the caller has gone', async () => {
    const asked = Promise.withResolvers<void>();
    await using mine = await startUpstream(() => asked.resolve());
    await using next = await startRecorder(100);
    const config = `routes: { /*: { to: ${mine.url}, mirror: ${next.upstream.url} } }\n`;
    await using gateway = await startGateway(config);
    const aborter = new AbortController();
    const request = fetch(gateway.url, { signal: aborter.signal });
    await asked.promise;
    aborter.abort();
    await assert.rejects(request);
    await until('the copy was answered', async () => (await counted(gateway, 'answered')) === 1);
  });
});

describe('a split', () => {
  const callers = 60;

  async function sides(gateway: Gateway): Promise<string> {
    const seen: string[] = [];
    for (let i = 0; i < callers; i++) {
      const response = await fetch(gateway.url, { headers: { 'x-tenant': `tenant-${i}`, connection: 'close' } });
      seen.push(await response.text());
    }
    return seen.join('');
  }

  it('keeps callers on their side, in every worker and over a change of weights', async () => {
    await using a = await startUpstream((_request, response) => response.end('a'));
    await using b = await startUpstream((_request, response) => response.end('b'));
    const config = (one: number, other: number) => `upstreams: { a: ${a.url}, b: ${b.url} }
routes:
  /*: { to: { a: ${one}, b: ${other} }, split: { by: { header: x-tenant }, force: { cookie: side } } }
`;
    await using gateway = await startGateway(config(70, 30), { workers: 2 });
    const first = await sides(gateway);
    assert.equal(await sides(gateway), first);
    assert.match(first, /a.*b|b.*a/);
    gateway.write(config(50, 50));
    const second = await until('the weights have changed', async () => {
      const now = await sides(gateway);
      return now !== first && now;
    });
    for (let i = 0; i < callers; i++) if (first[i] === 'b') assert.equal(second[i], 'b');
    for (const side of ['a', 'b']) {
      const response = await fetch(gateway.url, { headers: { cookie: `side=${side}` } });
      assert.equal(await response.text(), side);
    }
  });
});
