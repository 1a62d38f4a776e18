import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisSettings } from '../../src/stores/settings.ts';
import { freePort, until } from '../harness.ts';

/** For `{ skip: redisMissing }`: false where there is a Redis to test with. */
export const redisMissing: string | false =
  spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0
    ? false
    : 'redis-server is missing: apt-get install redis-server';

/** A Redis of the test's own, on a port of its own, which keeps nothing: `await using redis = await startRedis()`. */
export class TestRedis implements AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.directory = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
    this.#args = args;
  }

  async start(): Promise<void> {
    // Later ones win. Sentinel wants a configuration file that it can write, in the first place.
    const [first = '', ...rest] = this.#args;
    const file = first.endsWith('.conf') ? [join(this.directory, first)] : [];
    const own = file.length > 0 ? rest : this.#args;
    const keepNothing = ['--save', '', '--appendonly', 'no', '--dir', this.directory];
    const args = [...file, '--port', String(this.port), '--bind', '127.0.0.1', ...keepNothing, ...own];
    const process = spawn('redis-server', args, { stdio: 'ignore' });
    this.#process = process;
    await until(`Redis listens on ${this.port}`, () => {
      if (process.exitCode !== null) throw new Error(`redis-server ended with ${process.exitCode}`);
      return answers(this.port);
    });
  }

  /** Without a goodbye. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = null;
    if (process === null || process.exitCode !== null) return;
    process.kill('SIGKILL');
    await once(process, 'exit');
  }

  /** It stops answering while its connections stay open. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** What `redis-cli` prints. */
  command(...args: string[]): string {
    const done = spawnSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' });
    return done.stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function startRedis(...args: string[]): Promise<TestRedis> {
  const redis = new TestRedis(await freePort(), args);
  await redis.start();
  return redis;
}

export function redisSettings(port: number, overrides: Partial<RedisSettings> = {}): RedisSettings {
  return {
    kind: 'single',
    servers: [{ host: '127.0.0.1', port, path: null }],
    tls: null,
    username: null,
    password: null,
    database: 0,
    sentinel: null,
    prefix: 'test',
    timeout: 50,
    onFailure: 'local',
    cache: null,
    ...overrides,
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1');
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
