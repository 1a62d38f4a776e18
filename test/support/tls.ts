import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { ListenerTls } from '../../src/plan/plan.ts';
import type { UpstreamTls } from '../../src/plan/upstream.ts';
import { until } from '../harness.ts';
import type { KeyPair } from './certificates.ts';
import { listening, RawPeer, type RawUpstream } from './raw.ts';

/** Both ends of TLS connections that say exact bytes, and the settings of both in plans. */

export interface SecurePeer extends RawPeer {
  readonly socket: TLSSocket;
}

export async function connectSecure(port: number, options: ConnectionOptions): Promise<SecurePeer> {
  const plain = connectTcp({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  return await secure(plain, options);
}

/** The client's handshake on a connection that is there already. */
export async function secure(plain: Socket, options: ConnectionOptions): Promise<SecurePeer> {
  const socket = connect({ host: '127.0.0.1', ...options, socket: plain });
  const peer = new RawPeer(socket) as SecurePeer;
  await once(socket, 'secureConnect');
  return peer;
}

/** A session to resume: asks once, as TLS 1.3 tickets come after the handshake. */
export async function sessionTicket(port: number, options: ConnectionOptions): Promise<Buffer> {
  const peer = await connectSecure(port, options);
  let session = peer.socket.getSession();
  peer.socket.on('session', (fresh) => {
    session = fresh;
  });
  peer.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await peer.response()).status, 200);
  const found = await until('a session ticket', () => session);
  peer.destroy();
  return found;
}

/** Like `startRawUpstream`, behind TLS; `connections` has those whose handshake is done. */
export async function startSecureUpstream(
  options: TlsOptions,
  onConnection?: (peer: RawPeer, index: number) => void,
): Promise<RawUpstream> {
  const connections: RawPeer[] = [];
  const server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
    const peer = new RawPeer(socket);
    connections.push(peer);
    onConnection?.(peer, connections.length - 1);
  });
  // What clients that refuse this server do to the handshake is their test's business.
  server.on('tlsClientError', () => undefined);
  return await listening(server, 'https', connections);
}

export function listenerTls(pairs: readonly KeyPair[], overrides: Partial<ListenerTls> = {}): ListenerTls {
  return {
    certificates: pairs.map(({ certificate, key }) => ({ certificate, key, hosts: [] })),
    minVersion: 'TLSv1.2',
    alpn: ['http/1.1'],
    clientCertificates: null,
    ...overrides,
  };
}

export function upstreamTls(overrides: Partial<UpstreamTls> = {}): UpstreamTls {
  return { verify: true, ca: null, certificate: null, key: null, serverName: null, ...overrides };
}
