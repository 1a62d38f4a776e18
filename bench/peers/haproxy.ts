import { join } from 'node:path';
import { freePort, Started } from '../harness/process.ts';
import { REQUESTS_A_MINUTE, type Tokens } from '../harness/tokens.ts';
import { makeDirectory, type Peer, RunningPeer, untilCached, untilReady, writeTemplate } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  async start(scene) {
    const port = await freePort();
    const path = join(makeDirectory(scene, `haproxy-${port}`), 'haproxy.cfg');
    writeTemplate(path, 'haproxy.cfg', {
      port,
      upstreamPort: scene.upstreamPort,
      tls: scene.tls ? `ssl crt ${scene.tls.combined} ssl-min-ver TLSv1.2` : '',
      scheme: scene.tls ? 'https' : 'http',
    });
    const started = new Started('haproxy', scene.core, 'haproxy', ['-db', '-f', path]);
    const running = new RunningPeer('haproxy', started, port, scene.tls !== null);
    await untilReady(started, running.origin, '/');
    return running;
  },
};

/** A count for each user, that none of them comes to the end of. */
const LIMIT = {
  table: `backend users
  stick-table type string len 64 size 100k expire 2m store http_req_rate(60s)
`,
  track: `http-request track-sc0 var(txn.sub) table users
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${REQUESTS_A_MINUTE} }`,
};

/** With tokens, and perhaps a limit for each user: see `haproxy-jwt.cfg`. */
export function haproxyWithTokens({ publicKey, issuer, audience, first }: Tokens, isLimited: boolean): Peer {
  return {
    name: 'haproxy',
    async start(scene) {
      const port = await freePort();
      const path = join(makeDirectory(scene, `haproxy-jwt-${port}`), 'haproxy.cfg');
      const { upstreamPort } = scene;
      const limit = isLimited ? LIMIT : { table: '', track: '' };
      writeTemplate(path, 'haproxy-jwt.cfg', { port, upstreamPort, issuer, audience, publicKey, ...limit });
      const started = new Started('haproxy', scene.core, 'haproxy', ['-db', '-f', path]);
      const running = new RunningPeer('haproxy', started, port, false);
      await untilReady(started, running.origin, '/', { authorization: `Bearer ${first}` });
      return running;
    },
  };
}

/** Answers kept in memory: see `haproxy-cache.cfg`. */
export const haproxyCache: Peer = {
  name: 'haproxy',
  async start(scene) {
    const port = await freePort();
    const path = join(makeDirectory(scene, `haproxy-cache-${port}`), 'haproxy.cfg');
    writeTemplate(path, 'haproxy-cache.cfg', { port, upstreamPort: scene.upstreamPort });
    const started = new Started('haproxy', scene.core, 'haproxy', ['-db', '-f', path]);
    const running = new RunningPeer('haproxy', started, port, false);
    await untilReady(started, running.origin, '/');
    return await untilCached(running);
  },
};
