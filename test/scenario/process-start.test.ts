import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startGateway, startUpstream, until } from '../harness.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

function sluice(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [SHIM, ...args], { encoding: 'utf8' });
}

describe('cold start', () => {
  it('serves, probes, counts and tells, and ends with 0 on SIGTERM', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(`routes:\n  GET /ready: { respond: ready }\n  /*: ${upstream.url}\n`);
    assert.equal(await (await fetch(`${gateway.url}/a?b=1`)).text(), 'upstream');
    assert.equal(upstream.requests[0]?.url, '/a?b=1');
    assert.equal((await fetch(`${gateway.url}/ready`)).status, 200);
    assert.equal((await fetch(`${gateway.adminUrl}/health/live`)).status, 200);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.match(
      metrics,
      /^sluice_http_requests_total\{gateway="default",route="\/\*",code="200",code_class="2xx"\} 1$/m,
    );
    assert.match(metrics, /^sluice_upstream_requests_total\{upstream="[^"]+"\} 1$/m);
    const shown = sluice('status', '-c', gateway.configFile);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /: ready, up /);
    const told = JSON.parse(sluice('status', '--json', '-c', gateway.configFile).stdout);
    assert.equal(told.config.version, 1);
    assert.equal(told.workers.length, 1);
    assert.equal(told.routes.find((route: { route: string }) => route.route === '/*').requests, 1);
    gateway.signal('SIGTERM');
    assert.equal(await gateway.exited, 0);
  });

  it('comes up without the services behind it, and answers 502 for them', async () => {
    await using gateway = await startGateway(
      'routes:\n  GET /here: { respond: { status: 200 } }\n  /*: http://127.0.0.1:9\n',
    );
    assert.equal((await fetch(`${gateway.url}/here`)).status, 200);
    assert.equal((await fetch(`${gateway.url}/there`)).status, 502);
  });

  const refusals: [string, string, RegExp][] = [
    [
      'an error in the configuration',
      'rutes:\n  /*: http://127.0.0.1:1\n',
      /sluice\.yaml:\d+:1 error: .*`rutes`.*\n.*\n.*\^/,
    ],
    ['a missing variable', 'routes:\n  /*: "${env:SLUICE_TEST_MISSING}"\n', /SLUICE_TEST_MISSING/],
    ['a missing secret file', 'routes:\n  /*: "${file:no/such/file}"\n', /no\/such\/file/],
  ];
  for (const [what, config, said] of refusals) {
    it(`ends with 1 and says why: ${what}`, async () => {
      await using gateway = await startGateway(config, { wait: false });
      assert.equal(await gateway.exited, 1);
      assert.match(gateway.stderr, said);
    });
  }

  it('ends with 1 when another program has the port', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    await using gateway = await startGateway(`listen: 127.0.0.1:${address.port}\nroutes:\n  /*: http://127.0.0.1:1\n`, {
      wait: false,
    });
    assert.equal(await gateway.exited, 1);
    assert.match(gateway.stderr, new RegExp(`127\\.0\\.0\\.1:${address.port} is in use by another program`));
  });

  it('ends with 1 when a second one is started by mistake, and the first serves on', async () => {
    await using gateway = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n');
    await using second = await startGateway('', { like: gateway, wait: false });
    assert.equal(await second.exited, 1);
    assert.match(second.stderr, /admin address .* is in use.*--take-over/);
    for (let i = 0; i < 5; i++) assert.equal((await fetch(gateway.url)).status, 204);
  });

  it('guards changes by a token of its own, in a file for its user alone', async () => {
    await using gateway = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n');
    assert.equal(statSync(join(gateway.directory, '.sluice', 'admin-token')).mode & 0o777, 0o600);
    assert.equal((await fetch(`${gateway.adminUrl}/reload`, { method: 'POST' })).status, 401);
    assert.equal((await fetch(`${gateway.adminUrl}/status`)).status, 401);
    assert.equal((await gateway.admin('GET', '/status')).status, 200);
  });

  it('warns where connections could be reset while workers leave', { skip: migrates() }, async () => {
    await using gateway = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n');
    assert.match(gateway.stderr, /tcp_migrate_req is 0/);
  });
});

describe('stop', () => {
  it('fails readiness first, serves on for the delay, then lets exchanges under way finish', async () => {
    const held: (() => void)[] = [];
    await using upstream = await startUpstream((_request, response) => {
      response.write('begun ');
      held.push(() => response.end('and ended'));
    });
    await using gateway = await startGateway(
      `drain: { delay: 1s, timeout: 20s }\nroutes:\n  GET /ready: { respond: ready }\n  GET /new: { respond: { status: 204 } }\n  /*: ${upstream.url}\n`,
    );
    const underWay = await fetch(`${gateway.url}/slow`);
    gateway.signal('SIGTERM');
    await until('readiness fails', async () => (await fetch(`${gateway.adminUrl}/health/ready`)).status === 503);
    assert.equal((await fetch(`${gateway.url}/ready`)).status, 503);
    const late = await fetch(`${gateway.url}/new`);
    assert.equal(late.status, 204);
    assert.equal(late.headers.get('connection'), 'close');
    await until('the listener closes', () =>
      fetch(`${gateway.url}/new`).then(
        () => false,
        () => true,
      ),
    );
    assert.ok(!gateway.hasExited);
    for (const release of held) release();
    assert.equal(await underWay.text(), 'begun and ended');
    assert.equal(await gateway.exited, 0);
  });

  it('cuts off what takes longer than `drain.timeout`', async () => {
    await using upstream = await startUpstream((_request, response) => response.write('for ever'));
    await using gateway = await startGateway(`drain: { timeout: 300ms }\nroutes:\n  /*: ${upstream.url}\n`);
    const underWay = await fetch(gateway.url);
    gateway.signal('SIGTERM');
    await assert.rejects(underWay.text());
    assert.equal(await gateway.exited, 0);
    assert.match(gateway.stderr, /still had exchanges under way/);
  });

  it('ends at once on a second signal', async () => {
    await using upstream = await startUpstream((_request, response) => response.write('for ever'));
    await using gateway = await startGateway(`drain: { timeout: 1h }\nroutes:\n  /*: ${upstream.url}\n`);
    const underWay = await fetch(gateway.url);
    gateway.signal('SIGTERM');
    await until('it drains', () => gateway.stderr.includes('"drain"'));
    await until('the second signal counts', () => {
      gateway.signal('SIGTERM');
      return gateway.stderr.includes('at once');
    });
    assert.equal(await gateway.exited, 143);
    await assert.rejects(underWay.text());
  });

  it('drains on the command', async () => {
    await using gateway = await startGateway('routes:\n  /*: { respond: { status: 204 } }\n');
    const drained = sluice('drain', '-c', gateway.configFile);
    assert.equal(drained.status, 0, drained.stderr);
    assert.equal(await gateway.exited, 0);
    const nobody = sluice('status', '-c', gateway.configFile);
    assert.equal(nobody.status, 1);
    assert.match(nobody.stderr, /no gateway answers/);
  });
});

describe('command line', () => {
  it('writes a configuration that can be served, and never over another', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-init-'));
    const file = join(directory, 'sluice.yaml');
    assert.equal(sluice('init', file).status, 0);
    const checked = sluice('check', '-c', file);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    const again = sluice('init', file);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /exists already/);
    assert.ok(readFileSync(file, 'utf8').startsWith('#'));
    rmSync(directory, { recursive: true });
  });

  it('prints a JSON Schema', () => {
    const schema = JSON.parse(sluice('schema').stdout);
    assert.ok('routes' in schema.properties);
  });

  it('ends with 2 when it is used wrongly', () => {
    for (const args of [['nope'], ['check', '--nope'], ['init', 'a', 'b']])
      assert.equal(sluice(...args).status, 2, args.join(' '));
    assert.equal(sluice('--help').status, 0);
  });
});

function migrates(): string | false {
  try {
    const on = readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim() === '1';
    return on ? 'net.ipv4.tcp_migrate_req is on here' : false;
  } catch {
    return 'this system has no net.ipv4.tcp_migrate_req';
  }
}
