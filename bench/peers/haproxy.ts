import { join } from 'node:path';
import { freePort, Started } from '../harness/process.ts';
import type { Tokens } from '../harness/tokens.ts';
import { makeDirectory, type Peer, RunningPeer, untilReady, writeTemplate } from './peer.ts';

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

/** With tokens: see `haproxy-jwt.cfg`. */
export function haproxyWithTokens({ publicKey, issuer, audience, first }: Tokens): Peer {
  return {
    name: 'haproxy',
    async start(scene) {
      const port = await freePort();
      const path = join(makeDirectory(scene, `haproxy-jwt-${port}`), 'haproxy.cfg');
      writeTemplate(path, 'haproxy-jwt.cfg', { port, upstreamPort: scene.upstreamPort, issuer, audience, publicKey });
      const started = new Started('haproxy', scene.core, 'haproxy', ['-db', '-f', path]);
      const running = new RunningPeer('haproxy', started, port, false);
      await untilReady(started, running.origin, '/', { authorization: `Bearer ${first}` });
      return running;
    },
  };
}
