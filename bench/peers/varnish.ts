import { join } from 'node:path';
import { freePort, Started } from '../harness/process.ts';
import { makeDirectory, type Peer, RunningPeer, untilCached, untilReady, writeTemplate } from './peer.ts';

/** One process of two, with answers in memory and no log that anybody reads. */
export const varnishCache: Peer = {
  name: 'varnish',
  async start(scene) {
    const port = await freePort();
    const directory = makeDirectory(scene, `varnish-${port}`);
    const vcl = join(directory, 'varnish.vcl');
    writeTemplate(vcl, 'varnish.vcl', { upstreamPort: scene.upstreamPort });
    const listen = `127.0.0.1:${port}`;
    const work = join(directory, 'work');
    const args = ['-F', '-f', vcl, '-a', listen, '-n', work, '-s', 'malloc,256m', '-p', 'thread_pools=1', '-j', 'none'];
    const started = new Started('varnish', scene.core, 'varnishd', args);
    const running = new RunningPeer('varnish', started, port, false);
    await untilReady(started, running.origin, '/');
    return await untilCached(running);
  },
};
