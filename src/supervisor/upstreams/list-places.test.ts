import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ListSource } from '../../compile/upstream-work.ts';
import { filePlace } from './file-place.ts';
import { listPlace } from './list-place.ts';

const never = new AbortController().signal;

async function serve(answer: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/targets?token=t`;
  const source = (more: Partial<ListSource> = {}): ListSource => ({
    kind: 'http',
    url,
    interval: 10_000,
    timeout: 2_000,
    maxSize: 1024,
    headers: [],
    tls: null,
    keepFor: 0,
    ...more,
  });
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { requests, source, url, [Symbol.asyncDispose]: close };
}

describe('a list over HTTP', () => {
  test('is asked for with what is configured, and is not read again while it has not changed', async () => {
    await using server = await serve((request, response) => {
      response.setHeader('etag', '"1"');
      if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
      else response.end('["http://10.0.0.1:1", {"url": "http://10.0.0.2:1", "weight": 4}, "nonsense"]');
    });
    const place = listPlace(server.source({ headers: [['authorization', 'Bearer x']] }));
    assert.equal(place.of, server.url.replace('?token=t', ''));
    for (let i = 0; i < 2; i++) {
      const found = await place.look(never);
      assert.deepEqual(
        found.endpoints.map(({ url, weight }) => [url, weight]),
        [
          ['http://10.0.0.1:1', 1],
          ['http://10.0.0.2:1', 4],
        ],
      );
      assert.equal(found.problems.length, 1);
      assert.ok(found.nextIn >= 9_000 && found.nextIn <= 11_000);
    }
    assert.deepEqual(
      server.requests.map(({ headers }) => [headers.authorization, headers['if-none-match']]),
      [
        ['Bearer x', undefined],
        ['Bearer x', '"1"'],
      ],
    );
  });

  test('what is no list is a failure, with its reason', async () => {
    let answer: RequestListener = (_request, response) => void response.writeHead(500).end();
    await using server = await serve((request, response) => answer(request, response));
    const place = listPlace(server.source({ timeout: 100 }));
    await assert.rejects(place.look(never), /status 500/);
    for (const [body, reason] of [
      ['<html>', /JSON/],
      ['{"orders": []}', /no list/],
      ['["nonsense"]', /URL/],
      [`[${'"http://10.0.0.1:1",'.repeat(100)}"http://10.0.0.1:1"]`, /more than 1024 bytes/],
    ] as const) {
      answer = (_request, response) => void response.end(body);
      await assert.rejects(place.look(never), reason);
    }
    answer = (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end();
    await assert.rejects(place.look(never), /status 302/);
    answer = () => undefined;
    await assert.rejects(place.look(never), /no answer within 100 ms/);
    answer = (_request, response) => void response.write('[');
    await assert.rejects(place.look(never), /no answer within 100 ms/);
    answer = (_request, response) => void response.end('[]');
    assert.deepEqual((await place.look(never)).endpoints, []);
  });
});

describe('a list in a file', () => {
  function folder() {
    const path = mkdtempSync(join(tmpdir(), 'sluice-targets-'));
    return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
  }

  async function changeOf(file: string, act: () => void): Promise<string[]> {
    const place = filePlace({ kind: 'file', file, keepFor: 0 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = place.watch?.(resolve);
    try {
      // The watch has looked once before the change, so that it is one.
      await place.look(never);
      await new Promise((done) => setTimeout(done, 100));
      act();
      await promise;
      return (await place.look(never)).endpoints.map(({ url }) => url);
    } finally {
      watch?.close();
    }
  }

  test('is read as YAML or JSON, and a bad one is a failure', async () => {
    using temporary = folder();
    const file = join(temporary.path, 'targets.yaml');
    const place = filePlace({ kind: 'file', file, keepFor: 0 });
    await assert.rejects(place.look(never), /does not exist/);
    writeFileSync(file, 'targets:\n  - http://10.0.0.1:1\n  - { url: "http://10.0.0.2:1", weight: 2 }\n');
    assert.equal((await place.look(never)).endpoints.length, 2);
    writeFileSync(file, '["http://10.0.0.1:1"]');
    assert.equal((await place.look(never)).endpoints.length, 1);
    for (const bad of ['', '- [', 'orders: []']) {
      writeFileSync(file, bad);
      await assert.rejects(place.look(never), bad);
    }
    writeFileSync(file, '[]');
    assert.deepEqual((await place.look(never)).endpoints, []);
  });

  test('a rename over it and a swapped link are seen', async () => {
    using temporary = folder();
    const file = join(temporary.path, 'targets.yaml');
    writeFileSync(file, '- http://10.0.0.1:1\n');
    const renamed = await changeOf(file, () => {
      writeFileSync(`${file}.new`, '- http://10.0.0.2:1\n');
      renameSync(`${file}.new`, file);
    });
    assert.deepEqual(renamed, ['http://10.0.0.2:1']);

    // As Kubernetes does it: `targets.yaml` → `..data/targets.yaml`, and `..data` is swapped.
    const version = (name: string, text: string): void => {
      mkdirSync(join(temporary.path, name));
      writeFileSync(join(temporary.path, name, 'list.yaml'), text);
    };
    version('v1', '- http://10.0.0.3:1\n');
    symlinkSync('v1', join(temporary.path, '..data'));
    symlinkSync(join('..data', 'list.yaml'), join(temporary.path, 'list.yaml'));
    const swapped = await changeOf(join(temporary.path, 'list.yaml'), () => {
      version('v2', '- http://10.0.0.4:1\n');
      symlinkSync('v2', join(temporary.path, '..data.new'));
      renameSync(join(temporary.path, '..data.new'), join(temporary.path, '..data'));
    });
    assert.deepEqual(swapped, ['http://10.0.0.4:1']);
  });
});
