import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { freePort, NODE, PROJECT, Started } from '../harness/process.ts';
import { REQUESTS_A_MINUTE, type Tokens } from '../harness/tokens.ts';
import {
  GENERATION_PATH,
  makeDirectory,
  type Peer,
  RunningPeer,
  routePath,
  type Scene,
  untilCached,
  untilReady,
  writeTemplate,
} from './peer.ts';

let chosenEntry: string | null = null;

/** Another build than the sources in this tree, e.g. the published bundle. */
export function chooseEntry(path: string): void {
  chosenEntry = resolve(path);
}

export function sluiceEntry(): string {
  return chosenEntry ?? join(PROJECT, 'bin/sluice.js');
}

/** The bundle as it is published, made from this tree; answers its entry. */
export async function bundleSluice(core: number): Promise<string> {
  await new Started('bundle', core, NODE, [join(PROJECT, 'build/bundle.ts')]).finish(60_000);
  return join(PROJECT, 'dist/sluice.js');
}

function routes(scene: Scene, generation: number): string {
  const one = `  ${GENERATION_PATH}: { respond: { status: 200, json: ${generation} } }`;
  if (scene.routes === 0) return `\n${one}\n  /*: service`;
  const many = Array.from({ length: scene.routes }, (_, index) => `  "${routePath(index)}/{id}": service`);
  return ['', one, ...many].join('\n');
}

/** Writes the file whole or not at all: the gateway may be watching it. */
function writeConfig(path: string, port: number, adminPort: number, scene: Scene, generation: number): void {
  const next = writeTemplate(`${path}.next`, 'sluice.yaml', {
    listen: scene.tls
      ? `{ address: "127.0.0.1:${port}", tls: { certificate: "${scene.tls.certificate}", key: "${scene.tls.key}" } }`
      : `127.0.0.1:${port}`,
    adminPort,
    upstreamPort: scene.upstreamPort,
    routes: routes(scene, generation),
    more: '',
  });
  renameSync(next, path);
}

function requireEntry(): string {
  const entry = sluiceEntry();
  if (!existsSync(entry)) throw new Error(`there is no ${relative(PROJECT, entry)} to start`);
  return entry;
}

async function prepare(scene: Scene): Promise<{ path: string; port: number; write: (generation: number) => void }> {
  const port = await freePort();
  const adminPort = await freePort();
  const path = join(makeDirectory(scene, `sluice-${port}`), 'sluice.yaml');
  const write = (generation: number): void => writeConfig(path, port, adminPort, scene, generation);
  write(0);
  return { path, port, write };
}

export const sluice: Peer = {
  name: 'sluice',
  async start(scene) {
    const entry = requireEntry();
    const { path, port, write } = await prepare(scene);
    const started = new Started('sluice', scene.core, NODE, [entry, 'start', '-c', path]);
    const running = new RunningPeer('sluice', started, port, scene.tls !== null, write);
    await untilReady(started, running.origin, GENERATION_PATH);
    return running;
  },
};

/** One route or a few, as `sluice.yaml` here has them with these values; ready when `path` answers. */
async function startWith(
  scene: Scene,
  name: string,
  values: { routes: string; more: string },
  ready: { path: string; headers?: Readonly<Record<string, string>> },
  edit: (path: string) => void = () => undefined,
): Promise<RunningPeer> {
  const entry = requireEntry();
  const port = await freePort();
  const adminPort = await freePort();
  const path = join(makeDirectory(scene, `${name}-${port}`), 'sluice.yaml');
  const { upstreamPort } = scene;
  writeTemplate(path, 'sluice.yaml', { listen: `127.0.0.1:${port}`, adminPort, upstreamPort, ...values });
  edit(path);
  const started = new Started('sluice', scene.core, NODE, [entry, 'start', '-c', path]);
  const running = new RunningPeer('sluice', started, port, false);
  await untilReady(started, running.origin, ready.path, ready.headers);
  return running;
}

/** What `haproxy-jwt.cfg` logs: whoever writes longer lines does other work. */
const LOGGED = '[time, client, method, path, status, responseBytes, duration, identity]';

/** With tokens, an identity header, the access log on standard output, and perhaps a limit for each user. */
export function sluiceWithTokens({ publicKey, issuer, audience, first }: Tokens, isLimited: boolean): Peer {
  const routes = '\n  /*: { to: service, auth: caller, request: { headers: { set: { x-user-id: "{identity.id}" } } } }';
  const auth = `auth: { caller: { jwt: { issuer: "${issuer}", audience: ${audience}, publicKey: "\${file:${publicKey}}" } } }`;
  const limits = isLimited ? `, limits: { user: ${REQUESTS_A_MINUTE}/min by identity }` : '';
  const more = `${auth}\ndefaults: { accessLog: { fields: ${LOGGED} }${limits} }`;
  const ready = { path: '/', headers: { authorization: `Bearer ${first}` } };
  return { name: 'sluice', start: (scene) => startWith(scene, 'sluice-jwt', { routes, more }, ready) };
}

/** With a cache on the paths that are there to be kept. */
export const sluiceCache: Peer = {
  name: 'sluice',
  start: async (scene) => {
    const routes = '\n  /cached/*: { to: service, cache: { ttl: 1h } }\n  /*: service';
    return await untilCached(await startWith(scene, 'sluice-cache', { routes, more: '' }, { path: '/' }));
  },
};

/** With so many places at the service (null: as many as the latency allows), and priorities by a field of the request. */
export function sluiceWithPlaces(places: number | null): Peer {
  const concurrency = places === null ? '{ adaptive: true, queue: 50 }' : `{ max: ${places}, queue: 50 }`;
  const routes = `\n  ${GENERATION_PATH}: { respond: { status: 200, json: 0 } }\n  /*: guarded`;
  const rules = ['high', 'low'].map(
    (priority) => `{ when: "'x-class' in header && header['x-class'] == '${priority}'", class: ${priority} }`,
  );
  const more = `defaults: { priority: { rules: [${rules.join(', ')}] } }`;
  return {
    name: 'sluice',
    start: (scene) =>
      startWith(scene, 'sluice-places', { routes, more }, { path: GENERATION_PATH }, (path) => {
        const guarded = `  guarded: { targets: ["http://127.0.0.1:${scene.upstreamPort}"], concurrency: ${concurrency} }`;
        writeFileSync(path, readFileSync(path, 'utf8').replace('upstreams:\n', `upstreams:\n${guarded}\n`));
      }),
  };
}

/** Wall time of `sluice check` on the scene's configuration, in milliseconds. */
export async function timeCheck(scene: Scene): Promise<number> {
  const entry = requireEntry();
  const { path } = await prepare(scene);
  const begin = performance.now();
  await new Started('sluice check', scene.core, NODE, [entry, 'check', '-c', path]).finish(60_000);
  return performance.now() - begin;
}
