import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, residentBytes } from '../harness/machine.ts';
import { lastLines, type Started } from '../harness/process.ts';

/** The A/A row is a second nginx with the same configuration: what it differs by is the noise of the run. */
export type PeerName = 'sluice' | 'nginx' | 'nginx-again' | 'haproxy' | 'varnish' | 'http-proxy';

export const PEER_LABEL: Readonly<Record<PeerName, string>> = {
  sluice: 'Sluice',
  nginx: 'nginx',
  'nginx-again': 'nginx (A/A)',
  haproxy: 'HAProxy',
  varnish: 'Varnish',
  'http-proxy': '@fastify/http-proxy',
};

/** What a gateway is to be in front of. */
export interface Scene {
  upstreamPort: number;
  tls: { certificate: string; key: string; combined: string } | null;
  /** 0: one route for everything; otherwise so many routes with a path of their own, see `routePath`. */
  routes: number;
  /** Null: any core. */
  core: number | null;
  /** Where peers make directories of their own. */
  directory: string;
}

export interface Peer {
  name: PeerName;
  start(scene: Scene): Promise<RunningPeer>;
}

export class RunningPeer {
  readonly name: PeerName;
  readonly origin: string;
  readonly port: number;
  private readonly process: Started;
  private readonly writeConfig: ((generation: number) => void) | null;

  constructor(
    name: PeerName,
    started: Started,
    port: number,
    tls: boolean,
    writeConfig: ((generation: number) => void) | null = null,
  ) {
    this.name = name;
    this.port = port;
    this.origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    this.process = started;
    this.writeConfig = writeConfig;
  }

  cpuSeconds(): number {
    return cpuSeconds(this.process.tree());
  }

  residentBytes(): number {
    return residentBytes(this.process.tree());
  }

  /** Puts a configuration in place that answers `GENERATION_PATH` with this number, and asks for a reload. */
  reload(generation: number): void {
    if (!this.writeConfig) throw new Error(`${this.name} is not set up to reload`);
    this.writeConfig(generation);
    process.kill(this.process.pid, 'SIGHUP');
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }
}

export const GENERATION_PATH = '/generation';

/** Route number `index` of many; what follows it names a thing. */
export function routePath(index: number): string {
  return `/area-${Math.floor(index / 100)}/service-${index % 100}/items`;
}

export function makeDirectory(scene: Scene, name: string): string {
  const directory = join(scene.directory, name);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  return directory;
}

/** Fills the `<name>` places of a file in this folder. */
function fillTemplate(file: string, values: Readonly<Record<string, string | number>>): string {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8');
  return text.replace(/<(\w+)>/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${file}: nothing to fill <${name}> with`);
    return String(value);
  });
}

export function writeTemplate(path: string, file: string, values: Readonly<Record<string, string | number>>): string {
  writeFileSync(path, fillTemplate(file, values));
  return path;
}

interface ShortAnswer {
  status: number;
  body: string;
}

/** One request on a connection of its own. */
export function ask(
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ShortAnswer> {
  const request = origin.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false, timeout: 2_000, headers };
    const asking = request(origin + path, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.once('error', reject);
    });
    asking.once('timeout', () => asking.destroy(new Error('no answer within 2 s')));
    asking.once('error', reject);
    asking.end();
  });
}

const START_PATIENCE_MS = 20_000;

/** Waits for a 200 from the path; an early end of the process, or none in time, is an error that quotes its output. */
export async function untilReady(
  started: Started,
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const deadline = Date.now() + START_PATIENCE_MS;
  let last = 'nothing';
  while (started.running && Date.now() < deadline) {
    try {
      const answer = await ask(origin, path, headers);
      if (answer.status === 200) return;
      last = `status ${answer.status}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await sleep(50);
  }
  const output = lastLines(started.stderr || started.stdout) || `no output; last answer: ${last}`;
  await started.stop();
  throw new Error(`${started.label} did not start: ${output}`);
}

/** A service's answer that is another one each time, of so many bytes: who gives the same twice has kept it. */
export function cachedPath(bytes: CachedSize): string {
  return `/cached/${bytes}`;
}

export const CACHED_SIZES = [1_024, 10_240] as const;
export type CachedSize = (typeof CACHED_SIZES)[number];

/** Stops a gateway that does not answer from its cache, since its figures would be about something else. */
export async function untilCached(running: RunningPeer): Promise<RunningPeer> {
  try {
    for (const bytes of CACHED_SIZES) {
      const path = cachedPath(bytes);
      const [first, second] = [await ask(running.origin, path), await ask(running.origin, path)];
      if (first.status !== 200 || first.body.length !== bytes) throw new Error(`${path}: status ${first.status}`);
      if (first.body !== second.body) throw new Error(`${path} does not come from the cache`);
    }
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}
