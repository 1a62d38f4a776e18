import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, startUpstream, until } from '../harness.ts';
import { KeepAliveLoad } from '../keep-alive-load.ts';

const MIGRATE_REQ = '/proc/sys/net/ipv4/tcp_migrate_req';
const AT_ONCE = 200;

/** Asks on a fresh connection each time, as fast as answers come: what a closing listener could reset. */
class ConnectingLoad {
  readonly failures: string[] = [];
  completed = 0;
  readonly #url: string;
  readonly #running: Promise<void>[] = [];
  #stopping = false;

  constructor(url: string, clients: number) {
    this.#url = url;
    for (let i = 0; i < clients; i++) this.#running.push(this.#client());
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #client(): Promise<void> {
    while (!this.#stopping) {
      try {
        await get(this.#url, false);
        this.completed += 1;
      } catch (error) {
        this.failures.push((error as NodeJS.ErrnoException).code ?? String(error));
      }
    }
  }
}

function get(url: string, agent: Agent | false): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.once('error', reject);
      response.once('end', () => resolve(text));
    });
    sent.end();
  });
}

async function workersOf(gateway: Gateway): Promise<Status['workers']> {
  return ((await gateway.admin('GET', '/status')).body as Status).workers;
}

describe('drain and take-over', () => {
  it(`completes ${AT_ONCE} requests that are in flight`, async () => {
    const held: (() => void)[] = [];
    await using upstream = await startUpstream((_request, response) => {
      response.write('first half, ');
      held.push(() => response.end('second half'));
    });
    await using gateway = await startGateway(
      `drain: { timeout: 30s }\nroutes:\n  GET /new: { respond: { status: 204 } }\n  /*: ${upstream.url}\n`,
      {
        workers: 2,
      },
    );
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const answers = Array.from({ length: AT_ONCE }, () => get(gateway.url, agent));
    await until('all are in flight', () => held.length === AT_ONCE);
    gateway.signal('SIGTERM');
    await until('the listeners close', () =>
      get(`${gateway.url}/new`, false).then(
        () => false,
        () => true,
      ),
    );
    for (const release of held) release();
    const texts = await Promise.all(answers);
    assert.deepEqual([...new Set(texts)], ['first half, second half']);
    assert.equal(await gateway.exited, 0);
    agent.destroy();
  });

  it('lets a successor take the ports and the admin address, while what is under way finishes', async () => {
    const held: (() => void)[] = [];
    await using upstream = await startUpstream((incoming, response) => {
      response.write('begun ');
      if (incoming.url === '/slow') held.push(() => response.end('and ended'));
      else response.end();
    });
    await using first = await startGateway(`routes:\n  /*: ${upstream.url}\n`);
    const slow = get(`${first.url}/slow`, false);
    await until('it is under way', () => held.length === 1);
    await using second = await startGateway('', { like: first, args: ['--take-over'], wait: false });
    await until('the successor answers for both', async () => {
      const status = (await second.admin('GET', '/status')).body as Status;
      return status.pid === second.process.pid && status.ready;
    });
    assert.ok(!first.hasExited, 'it still has an exchange under way');
    assert.equal((await fetch(`${second.url}/x`)).status, 200);
    for (const release of held) release();
    assert.equal(await slow, 'begun and ended');
    assert.equal(await first.exited, 0);
    assert.equal((await fetch(`${second.url}/x`)).status, 200);
  });

  it('leaves the process before alone when the successor cannot start', async () => {
    await using first = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n');
    first.write('rutes: 1\n');
    await using second = await startGateway('', { like: first, args: ['--take-over'], wait: false });
    assert.equal(await second.exited, 1);
    assert.equal((await fetch(first.url)).status, 204);
    assert.ok(!first.hasExited);
  });

  it('starts as usual when there is nobody to take over from', async () => {
    await using gateway = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n', {
      args: ['--take-over'],
    });
    assert.equal((await fetch(gateway.url)).status, 204);
  });
});

const namespace = ['-n', 'sh', '-c', `ip link set lo up && echo 1 > ${MIGRATE_REQ} && exec "$@"`, 'sh'];
const here = readOr(MIGRATE_REQ, '') === '1';
const there = !here && spawnSync('unshare', [...namespace, 'true']).status === 0;

describe('with net.ipv4.tcp_migrate_req=1', () => {
  const skip = here || there ? false : 'the setting is off, and this user may not make a network namespace';

  it('drain, take-over and changed code reset nothing under load', { skip }, async () => {
    if (there) {
      // Again, in a network of its own where it is on.
      const self = fileURLToPath(import.meta.url);
      const args = ['--test', '--test-name-pattern=reset nothing', self];
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const again = spawnSync('unshare', [...namespace, process.execPath, ...args], { encoding: 'utf8', env });
      assert.equal(again.status, 0, again.stdout + again.stderr);
      return;
    }
    const handler = (text: string): string => `export default () => new Response('${text}');\n`;
    await using first = await startGateway('routes:\n  /*: { handler: ./answer.ts }\n', {
      workers: 2,
      files: { 'answer.ts': handler('one') },
    });
    await using connecting = new ConnectingLoad(first.url, 8);
    await using keeping = new KeepAliveLoad(first.url, 8);
    const goOn = async (): Promise<void> => {
      const before = [connecting.completed, keeping.completed];
      await until(
        'requests go on',
        () => connecting.completed > Number(before[0]) + 50 && keeping.completed > Number(before[1]) + 50,
      );
    };
    await goOn();
    const old = (await workersOf(first)).map(({ id }) => id);
    first.writeFile('answer.ts', handler('two'));
    await until('fresh workers took over', async () => (await workersOf(first)).every(({ id }) => !old.includes(id)));
    await goOn();
    await using second = await startGateway('', { like: first, args: ['--take-over'], wait: false });
    assert.equal(await first.exited, 0);
    await second.untilReady();
    await goOn();
    await connecting.stop();
    await keeping.stop();
    assert.deepEqual(connecting.failures, []);
    assert.deepEqual(keeping.failures, []);
  });
});

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}
