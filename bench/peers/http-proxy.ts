import { fileURLToPath } from 'node:url';
import { freePort, NODE, Started } from '../harness/process.ts';
import { type Peer, RunningPeer, untilReady } from './peer.ts';

const SERVER = fileURLToPath(new URL('./http-proxy-server.ts', import.meta.url));

export const httpProxy: Peer = {
  name: 'http-proxy',
  async start(scene) {
    const port = await freePort();
    const tls = scene.tls ? [scene.tls.certificate, scene.tls.key] : [];
    const args = [SERVER, String(port), String(scene.upstreamPort), ...tls];
    const started = new Started('@fastify/http-proxy', scene.core, NODE, args);
    const running = new RunningPeer('http-proxy', started, port, scene.tls !== null);
    await untilReady(started, running.origin, '/');
    return running;
  },
};
