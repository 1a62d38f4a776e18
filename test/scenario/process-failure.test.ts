import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, startUpstream, until } from '../harness.ts';
import { KeepAliveLoad } from '../keep-alive-load.ts';

const BOMB = fileURLToPath(new URL('../fixtures/bomb-policy.ts', import.meta.url));

function config(workers: string): string {
  return `workers: ${workers}\npolicies: [${BOMB}]\nroutes:\n  /bomb: { respond: { status: 200 }, bomb: true }\n  /*: { respond: { status: 204 } }\n`;
}

async function statusOf(gateway: Gateway): Promise<Status> {
  return (await gateway.admin('GET', '/status')).body as Status;
}

/** Asks for trouble, on a connection of its own; the answer may never come. */
function throwBomb(gateway: Gateway, order: string): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request(`${gateway.url}/bomb`, { agent: false, headers: { 'x-bomb': order } });
    sent.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
    sent.end();
  });
}

/** Until the worker that was hit has a successor that serves. */
async function untilReplaced(gateway: Gateway, reason: string): Promise<Status> {
  return until(`one worker was replaced (${reason})`, async () => {
    const status = await statusOf(gateway);
    const serving = status.workers.filter((worker) => worker.state === 'serving');
    return (status.replaced[reason] ?? 0) > 0 && serving.length === 2 && status;
  });
}

/** Which connections the victim had is the kernel's choice: those are cut, everybody else goes on. */
async function othersServe(gateway: Gateway, load: KeepAliveLoad): Promise<void> {
  const { completed } = load;
  await until('requests succeed', () => load.completed > completed + 50);
  await load.stop();
  assert.deepEqual([...load.statuses.keys()], [204]);
  assert.deepEqual(
    [...new Set(load.failures)].filter((code) => code !== 'ECONNRESET' && code !== 'ECONNREFUSED'),
    [],
  );
  await until('nothing is in flight, whoever went without saying so', async () => {
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const inFlight = [...metrics.matchAll(/^sluice_http_requests_in_flight\{.*\} (.*)$/gm)].map(([, value]) => value);
    return inFlight.length > 0 && inFlight.every((value) => value === '0');
  });
}

describe('a worker that fails', () => {
  it('is replaced after an exception outside of an exchange', async () => {
    await using gateway = await startGateway(config('2'));
    await using load = new KeepAliveLoad(gateway.url, 8);
    await until('there is load', () => load.completed > 20);
    await throwBomb(gateway, 'throw outside');
    await untilReplaced(gateway, 'crashed');
    await othersServe(gateway, load);
    assert.match(gateway.stderr, /thrown outside an exchange/);
  });

  it('is replaced when it ends itself', async () => {
    await using gateway = await startGateway(config('2'));
    await throwBomb(gateway, 'exit');
    await untilReplaced(gateway, 'crashed');
    assert.equal((await fetch(gateway.url)).status, 204);
  });

  it('is ended and replaced when it hangs, and the others do not notice', async () => {
    await using gateway = await startGateway(config('{ count: 2, hangAfter: 1s }'));
    await using load = new KeepAliveLoad(gateway.url, 8);
    await until('there is load', () => load.completed > 20);
    const bomb = throwBomb(gateway, 'loop');
    await untilReplaced(gateway, 'hung');
    await bomb;
    await othersServe(gateway, load);
  });

  it('takes the process with it when it cannot be ended, after the others have finished', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.write('begun ');
      setTimeout(() => response.end('and ended'), 3_000);
    });
    await using gateway = await startGateway(`${config('{ count: 2, hangAfter: 1s }')}  /slow: ${upstream.url}\n`);
    const slow = Promise.allSettled(
      Array.from({ length: 8 }, () => fetch(`${gateway.url}/slow`).then((answer) => answer.text())),
    );
    await until('they are under way', () => upstream.requests.length === 8);
    void throwBomb(gateway, 'stuck');
    assert.equal(await gateway.exited, 'SIGKILL');
    assert.match(gateway.stderr, /worker-stuck/);
    const finished = (await slow).filter(({ status }) => status === 'fulfilled');
    assert.ok(finished.length > 0, 'the other worker’s exchanges');
  });

  it('is replaced when its heap fills step by step', async () => {
    await using gateway = await startGateway(config('{ count: 2, maxHeap: 128MiB }'));
    await using load = new KeepAliveLoad(gateway.url, 8);
    assert.equal(await throwBomb(gateway, 'leak'), 200);
    await until('one worker was replaced', async () => {
      const { replaced, workers } = await statusOf(gateway);
      const lost = (replaced.out_of_memory ?? 0) + (replaced.heap_nearly_full ?? 0);
      return lost > 0 && workers.filter(({ state }) => state === 'serving').length >= 2;
    });
    await othersServe(gateway, load);
  });

  it('is not replaced for an exception inside an exchange, nor for a forgotten rejection', async () => {
    await using gateway = await startGateway(config('1'));
    const response = await fetch(`${gateway.url}/bomb`, { headers: { 'x-bomb': 'throw inside' } });
    assert.equal(response.status, 500);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.doesNotMatch(await response.text(), /thrown inside/);
    await until('it is logged', () => gateway.stderr.includes('thrown inside an exchange'));
    assert.equal(await throwBomb(gateway, 'reject'), 200);
    await until('it is logged', () => gateway.stderr.includes('rejected and forgotten'));
    const status = await statusOf(gateway);
    assert.deepEqual(Object.values(status.replaced), [0, 0, 0, 0]);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.match(metrics, /^sluice_internal_errors_total 2$/m);
  });
});
