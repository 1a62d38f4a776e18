import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, Started } from '../harness/process.ts';
import {
  GENERATION_PATH,
  makeDirectory,
  type Peer,
  type PeerName,
  RunningPeer,
  routePath,
  type Scene,
  untilCached,
  untilReady,
  writeTemplate,
} from './peer.ts';

/** Prefix locations: the fastest of the ways in which nginx could be told about these routes. */
function locations(scene: Scene, generation: number): string {
  const one = `location = ${GENERATION_PATH} { return 200 "${generation}"; }`;
  if (scene.routes === 0) return `${one}\n    location / { proxy_pass http://service; }`;
  const many = Array.from(
    { length: scene.routes },
    (_, index) => `location ${routePath(index)}/ { proxy_pass http://service; }`,
  );
  return [one, ...many].join('\n    ');
}

async function start(name: PeerName, scene: Scene, caches = false): Promise<RunningPeer> {
  const port = await freePort();
  const directory = makeDirectory(scene, `${name}-${port}`);
  const path = join(directory, 'nginx.conf');
  const write = (generation: number): void => {
    const next = writeTemplate(`${path}.next`, 'nginx.conf', {
      directory,
      port,
      upstreamPort: scene.upstreamPort,
      tls: scene.tls ? 'ssl' : '',
      certificate: scene.tls
        ? `ssl_certificate ${scene.tls.certificate}; ssl_certificate_key ${scene.tls.key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m;`
        : '',
      locations: `${caches ? SMALL_FILES : ''}${locations(scene, generation)}`,
      more: caches ? cacheSettings(directory) : '',
    });
    renameSync(next, path);
  };
  write(0);
  const started = new Started(name, scene.core, 'nginx', ['-p', directory, '-c', path, '-e', 'stderr']);
  const running = new RunningPeer(name, started, port, scene.tls !== null, write);
  await untilReady(started, running.origin, GENERATION_PATH);
  return running;
}

export const nginx: Peer = { name: 'nginx', start: (scene) => start('nginx', scene) };
export const nginxAgain: Peer = { name: 'nginx-again', start: (scene) => start('nginx-again', scene) };

/** Of small files, what is read and written costs less than what `sendfile` sends: 19 µs against 22 for 1 KiB. */
const SMALL_FILES = 'sendfile off;\n    tcp_nopush off;\n    ';

/** One copy in files that the system holds in memory, open files remembered, one request for each object. */
function cacheSettings(directory: string): string {
  return [
    `proxy_cache_path ${directory}/cache levels=1:2 keys_zone=answers:10m max_size=256m inactive=1h use_temp_path=off;`,
    'proxy_cache answers;',
    'proxy_cache_valid 200 1h;',
    'proxy_cache_lock on;',
    'proxy_cache_use_stale updating error timeout;',
  ].join('\n  ');
}

export const nginxCache: Peer = {
  name: 'nginx',
  start: async (scene) => untilCached(await start('nginx', scene, true)),
};
export const nginxCacheAgain: Peer = {
  name: 'nginx-again',
  start: async (scene) => untilCached(await start('nginx-again', scene, true)),
};
