import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type KeyPair, makeAuthority } from './certificates.ts';

/** Connected pairs of sockets: one end as the gateway gets it, not reading yet, the other as any program has it. */
export const links = ['TCP', 'Unix', 'accepted TLS', 'connected TLS'] as const;
export type Link = (typeof links)[number];

export interface Pair {
  readonly ours: Socket;
  readonly peer: Socket;
}

let made: { ca: string; pair: KeyPair } | undefined;

function credentials(): { ca: string; pair: KeyPair } {
  if (made === undefined) {
    const authority = makeAuthority();
    made = { ca: authority.certificate, pair: authority.issue(['127.0.0.1']) };
  }
  return made;
}

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
  return { ours, peer };
}

/** TLS over a plain pair; `ours` is the gateway's role. */
async function secure(accepted: Socket, connected: Socket, ours: 'server' | 'client'): Promise<Pair> {
  const { ca, pair } = credentials();
  const server = createTlsServer({ cert: pair.certificate, key: pair.key, allowHalfOpen: true });
  const arrived = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  server.emit('connection', accepted);
  const client = connectTls({ socket: connected, host: '127.0.0.1', ca });
  const [[served]] = await Promise.all([arrived, once(client, 'secureConnect')]);
  const both = ours === 'server' ? { ours: served, peer: client } : { ours: client, peer: served };
  both.ours.pause();
  return both;
}
