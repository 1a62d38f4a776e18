import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../harness.ts';
import { makeAuthority } from '../support/certificates.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { connectRaw, type RawPeer, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { connectSecure, listenerTls, startSecureUpstream, upstreamTls } from '../support/tls.ts';

/** Whoever does not read is waited for: the gateway holds its bound for each of them and no more. */

const MEBIBYTE = 1_048_576;
const PEERS = 40;
/** More than the kernel takes for both connections of one transfer. */
const SIZE = 64 * MEBIBYTE;
/** A read buffer, what waits to be written, and what TLS adds to both. */
const BOUND = MEBIBYTE;
/** What the process takes for itself in the meantime. */
const ALLOWANCE = 48 * MEBIBYTE;

/** Writes `size` bytes as they are taken; counts those that have left this process. */
class Pouring {
  readonly peer: RawPeer;
  #left: number;
  readonly #piece = Buffer.alloc(MEBIBYTE / 4);

  constructor(peer: RawPeer, size: number) {
    this.peer = peer;
    this.#left = size;
    peer.socket.on('drain', () => this.#pour());
    this.#pour();
  }

  get written(): number {
    return this.peer.socket.bytesWritten - this.peer.socket.writableLength;
  }

  #pour(): void {
    while (this.#left > 0 && !this.peer.socket.destroyed) {
      this.#left -= this.#piece.length;
      if (!this.peer.socket.write(this.#piece)) return;
    }
  }
}

/** Until nothing is taken any more. */
async function stalled(pouring: readonly Pouring[]): Promise<void> {
  let before = -1;
  await until('everything stands still', async () => {
    const now = pouring.reduce((sum, { written }) => sum + written, 0);
    const isSteady = pouring.length === PEERS && now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 150));
    return isSteady;
  });
}

for (const secure of [false, true]) {
  const authority = secure ? makeAuthority() : null;
  const pair = authority?.issue(['127.0.0.1']) ?? null;

  async function startUpstream(onConnection: (peer: RawPeer) => void): Promise<RawUpstream> {
    if (pair === null) return await startRawUpstream(onConnection);
    return await startSecureUpstream({ cert: pair.certificate, key: pair.key }, onConnection);
  }

  async function withGateway(
    onConnection: (peer: RawPeer) => void,
    use: (connect: () => Promise<RawPeer>) => Promise<void>,
  ): Promise<void> {
    const upstream = await startUpstream(onConnection);
    await using gateway = await startGatewayProcess({
      upstream: upstream.url,
      listenerTls: pair === null ? null : listenerTls([pair]),
      upstreamTls: authority === null ? null : upstreamTls({ ca: authority.certificate }),
    });
    const clients: RawPeer[] = [];
    const before = await gateway.report(true);
    try {
      await use(async () => {
        const client =
          authority === null
            ? await connectRaw(gateway.port)
            : await connectSecure(gateway.port, { ca: authority.certificate });
        clients.push(client);
        return client;
      });
      const { peak } = await gateway.report();
      const growth = peak - before.peak;
      const each = (growth - ALLOWANCE) / PEERS;
      console.log('growth', growth / MEBIBYTE);
      assert.ok(each < BOUND, `the gateway grew by ${Math.round(growth / MEBIBYTE)} MiB for ${PEERS} slow peers`);
    } finally {
      for (const client of clients) client.destroy();
      await upstream.close();
    }
  }

  describe(`${PEERS} slow peers, ${secure ? 'TLS on both sides' : 'plain'}`, { timeout: 60_000 }, () => {
    test('clients that do not read what they asked for', async () => {
      const pouring: Pouring[] = [];
      const answer = (peer: RawPeer): void => {
        peer.onBytes(() => {
          peer.onBytes(() => undefined);
          peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n`);
          pouring.push(new Pouring(peer, SIZE));
        });
      };
      await withGateway(answer, async (connect) => {
        for (let i = 0; i < PEERS; i++) {
          const client = await connect();
          client.socket.pause();
          client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        }
        await stalled(pouring);
        console.log(pouring.map(({ written }) => written / MEBIBYTE).join(' '));
        assert.ok(pouring.every(({ written }) => written < SIZE));
      });
    });

    test('upstreams that do not read what they are sent', async () => {
      const pouring: Pouring[] = [];
      await withGateway(
        (peer) => peer.socket.pause(),
        async (connect) => {
          for (let i = 0; i < PEERS; i++) {
            const client = await connect();
            const framing = i % 2 === 0 ? `content-length: ${SIZE}` : 'transfer-encoding: chunked';
            client.send(`POST / HTTP/1.1\r\nhost: a\r\n${framing}\r\n\r\n`);
            if (i % 2 === 1) client.send(`${SIZE.toString(16)}\r\n`);
            pouring.push(new Pouring(client, SIZE));
          }
          await stalled(pouring);
          console.log(pouring.map(({ written }) => written / MEBIBYTE).join(' '));
          assert.ok(pouring.every(({ written }) => written < SIZE));
        },
      );
    });
  });
}
