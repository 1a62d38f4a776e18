import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream } from '../harness.ts';

/** What several workers know of endpoints together. */

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cookie: string | undefined;
}

/** On a connection of its own, so that the kernel gives it to any worker. */
function ask(gateway: Gateway, cookie?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = cookie === undefined ? {} : { cookie };
    const sent = request(`${gateway.url}/`, { agent: false, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        const [set] = response.headers['set-cookie'] ?? [];
        resolve({ status: response.statusCode ?? 0, body, cookie: set?.split(';', 1)[0] });
      });
    });
    sent.once('error', reject);
    sent.end();
  });
}

describe('two workers', () => {
  test('eject a hung endpoint after the configured failures of both', async () => {
    await using hung = await startUpstream(() => undefined);
    await using well = await startUpstream();
    await using gateway = await startGateway(`workers: 2
upstreams:
  main:
    targets: ["${hung.url}", "${well.url}"]
    timeout: { head: 150ms }
    ejection: { failures: 4 }
routes: { /*: main }
`);
    const statuses: number[] = [];
    for (let i = 0; i < 40; i++) statuses.push((await ask(gateway)).status);
    assert.equal(statuses.filter((status) => status === 504).length, 4);
    assert.equal(statuses.filter((status) => status === 200).length, 36);
    assert.equal(hung.requests.length, 4);
  });

  test('bind clients alike', async () => {
    await using first = await startUpstream((_request, response) => response.end('first'));
    await using second = await startUpstream((_request, response) => response.end('second'));
    await using gateway = await startGateway(`workers: 2
upstreams:
  main: { targets: ["${first.url}", "${second.url}"], balance: least-request, affinity: { cookie: seat } }
routes: { /*: main }
`);
    const { body, cookie } = await ask(gateway);
    for (let i = 0; i < 20; i++) {
      const again = await ask(gateway, cookie);
      assert.deepEqual([again.body, again.cookie], [body, undefined]);
    }
    assert.equal(
      first.requests.concat(second.requests).filter(({ headers }) => headers.cookie !== undefined).length,
      0,
    );
  });
});
