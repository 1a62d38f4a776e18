import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { makeAuthority } from './certificates.ts';

/** Connected pairs of sockets: one end as the gateway gets it, not reading yet, the other as any program has it. */
export const links = ['TCP', 'Unix', 'accepted TLS', 'connected TLS'] as const;
export type Link = (typeof links)[number];

export interface Pair {
  readonly ours: Socket;
  readonly peer: Socket;
  /** The connection that carries `peer`: itself, but for TLS. */
  readonly wire: Socket;
}

let authority: ReturnType<typeof makeAuthority> | undefined;

export async function connectPair(link: Link): Promise<Pair> {
  if (link === 'TCP') return await plainPair(undefined);
  if (link === 'Unix') {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-socket-'));
    const pair = await plainPair(join(directory, 's'));
    rmSync(directory, { recursive: true, force: true });
    return pair;
  }
  const plain = await plainPair(undefined);
  return link === 'accepted TLS'
    ? await secure(plain.ours, plain.peer, 'server')
    : await secure(plain.peer, plain.ours, 'client');
}

async function plainPair(path: string | undefined): Promise<Pair> {
  const server: Server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
  server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path });
  await once(server, 'listening');
  const target = path === undefined ? { host: '127.0.0.1', port: (server.address() as AddressInfo).port } : { path };
  const accepted = once(server, 'connection');
  const peer = connectTcp({ ...target, allowHalfOpen: true, noDelay: true });
  const [ours] = (await accepted) as [Socket];
  if (peer.connecting) await once(peer, 'connect');
  server.close();
  return { ours, peer, wire: peer };
}

/** TLS over a plain pair; `ours` is the gateway's role. */
async function secure(accepted: Socket, connected: Socket, ours: 'server' | 'client'): Promise<Pair> {
  authority ??= makeAuthority();
  const { certificate, key } = authority.issue(['127.0.0.1']);
  const server = createTlsServer({ cert: certificate, key, allowHalfOpen: true });
  const arrived = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  server.emit('connection', accepted);
  const client = connectTls({ socket: connected, host: '127.0.0.1', ca: authority.certificate });
  const [[served]] = await Promise.all([arrived, once(client, 'secureConnect')]);
  const pair =
    ours === 'server'
      ? { ours: served, peer: client, wire: connected }
      : { ours: client, peer: served, wire: accepted };
  pair.ours.pause();
  return pair;
}

/** Ends a connection abruptly: with a reset where its kind has one. */
export function reset(wire: Socket): void {
  if (wire.remoteAddress === undefined) wire.destroy();
  else wire.resetAndDestroy();
}
