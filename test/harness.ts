import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SHIM = fileURLToPath(new URL('../bin/sluice.js', import.meta.url));
/** Generous: a loaded machine is no failure, only a wait that has no end is. */
const PATIENCE_MS = 30_000;

/** Repeats until it holds; the bound is for tests that would otherwise hang, not a measure of speed. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + patienceMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await probe();
      if (value) return value as Exclude<T, null | undefined | false>;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`did not come about: ${what} (last: ${String(last)})`);
}

export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Upstream {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  /** Requests that arrived. */
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers'] }[];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type UpstreamHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** A service behind the gateway. Without a handler it answers 200 with its own name. */
export async function startUpstream(
  handler: UpstreamHandler = (_request, response) => response.end('upstream'),
): Promise<Upstream> {
  const requests: Upstream['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, port, server, requests, close, [Symbol.asyncDispose]: close };
}

export interface GatewayOptions {
  /** Further files beside the configuration, by relative path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly workers?: number;
  readonly args?: readonly string[];
  /** Of a gateway that this one takes over from: same files, same ports. */
  readonly like?: Gateway;
  /** False: come back at once instead of when it is ready. */
  readonly wait?: boolean;
}

/** A gateway in its own process, as a user would start it. */
export class Gateway {
  readonly directory: string;
  readonly configFile: string;
  readonly port: number;
  readonly adminPort: number;
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  stdout = '';
  stderr = '';
  hasExited = false;
  readonly #preamble: string;

  constructor(directory: string, port: number, adminPort: number, preamble: string, options: GatewayOptions) {
    this.directory = directory;
    this.configFile = join(directory, 'sluice.yaml');
    this.port = port;
    this.adminPort = adminPort;
    this.#preamble = preamble;
    const { STATE_DIRECTORY: _, ...env } = process.env;
    this.process = spawn(process.execPath, [SHIM, 'start', '-c', this.configFile, ...(options.args ?? [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, ...options.env },
    });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        this.hasExited = true;
        resolve(code ?? signal ?? 'unknown');
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  get token(): string {
    return readFileSync(join(this.directory, '.sluice', 'admin-token'), 'utf8').trim();
  }

  /** With the token of this gateway. */
  async admin(method: 'GET' | 'POST', path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const payload = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(`${this.adminUrl}${path}`, { method, headers, body: payload });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  /** Replaces the configuration as an editor does: whole or not at all. */
  write(configText: string): void {
    writeFileSync(`${this.configFile}.next`, this.#preamble + configText);
    renameSync(`${this.configFile}.next`, this.configFile);
  }

  /** A file beside the configuration. */
  writeFile(path: string, text: string): void {
    writeFileSync(join(this.directory, path), text);
  }

  async untilReady(): Promise<void> {
    await until('the gateway is ready', async () => {
      if (this.hasExited) return true;
      return (await fetch(`${this.adminUrl}/health/ready`)).ok;
    });
    if (this.hasExited) throw new Error(`the gateway ended with ${await this.exited}:\n${this.stderr}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Ends it and removes its files: `await using gateway = …` does so however the test ends. */
  async stop(): Promise<void> {
    if (!this.hasExited) {
      this.signal('SIGTERM');
      await Promise.race([this.exited, sleep(5_000, undefined, { ref: false })]);
    }
    if (!this.hasExited) this.signal('SIGKILL');
    await this.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * Starts a gateway on `configText`. `version`, `listen`, `workers`, `drain` and `admin` are put before it unless it says
 * so itself (its own `listen` would have to use `gateway.port`).
 */
export async function startGateway(configText: string, options: GatewayOptions = {}): Promise<Gateway> {
  const { like } = options;
  const port = like?.port ?? (await freePort());
  const adminPort = like?.adminPort ?? (await freePort());
  const directory = like?.directory ?? mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const defaults = {
    version: '1',
    listen: `127.0.0.1:${port}`,
    workers: String(options.workers ?? 1),
    drain: '{ delay: 0, timeout: 5s }',
    admin: `{ address: "127.0.0.1:${adminPort}" }`,
  };
  const preamble = Object.entries(defaults)
    .filter(([key]) => !new RegExp(`^${key}:`, 'm').test(configText))
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
  for (const [path, text] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  if (like === undefined) writeFileSync(join(directory, 'sluice.yaml'), preamble + configText);
  const gateway = new Gateway(directory, port, adminPort, preamble, options);
  if (options.wait === false) return gateway;
  try {
    await gateway.untilReady();
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  return gateway;
}
