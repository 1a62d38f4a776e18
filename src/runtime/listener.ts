import { lstatSync, renameSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { threadId } from 'node:worker_threads';
import type { PeerCertificate } from '../plan/exchange.ts';
import type { ListenerPlan } from '../plan/plan.ts';
import { type ProxiedEndpoints, readProxyHeader } from '../semantics/proxy-protocol.ts';
import { asksClientsAlike } from './certificates.ts';
import { HANDSHAKE_TIMEOUT, TlsFront } from './tls-front.ts';

/** Connections that may wait in the kernel; it caps the number at `net.core.somaxconn`. */
const BACKLOG = 16_384;

export type Accept = (
  socket: Socket,
  proxied: ProxiedEndpoints | null,
  certificate: PeerCertificate | null,
  listener: Listener,
) => void;

/** Asked before a handshake is paid for. False: the connection may not come in. */
export type Admits = (socket: Socket, proxied: ProxiedEndpoints | null) => boolean;

/** A bound address of one worker. It outlives plans: reloads change what it is told, never the socket. */
export class Listener {
  plan: ListenerPlan;
  readonly #server: NetServer;
  readonly #accept: Accept;
  readonly #admits: Admits;
  #ticketKeys: Buffer | null;
  #tls: TlsFront | null = null;
  /** For a plan that is prepared and not committed. */
  #nextTls: TlsFront | null = null;
  /** What balancers said about connections that are now TLS, by the balancer's own endpoint. */
  readonly #proxied = new Map<string, ProxiedEndpoints>();
  /** Accepted before the first plan was committed. */
  #early: Socket[] | null = [];

  /** Throws on a certificate or key that does not load. */
  constructor(plan: ListenerPlan, ticketKeys: Buffer | null, accept: Accept, admits: Admits) {
    this.plan = plan;
    this.#accept = accept;
    this.#admits = admits;
    this.#ticketKeys = ticketKeys;
    this.#tls = this.#frontFor(plan);
    // Half-open, or Node would answer a client's FIN with ours before the response is out.
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#early === null) this.#incoming(socket);
      else this.#early.push(socket);
    });
  }

  async bind(): Promise<void> {
    const { host, port, path } = this.plan;
    if (path !== null && lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
      throw new Error(`cannot listen on ${path}: there is a file that is not a socket`);
    }
    // Bound beside its place and moved there in one step: so it replaces the socket of the worker or process before
    // without a gap, and whichever closes does not remove the other's file.
    const beside = `${path}.${process.pid}-${threadId}`;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const where = path === null ? { host: host ?? '::', port, reusePort: true } : { path: beside };
      this.#server.listen({ ...where, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        // Out of file descriptors: the connection is lost, the listener must not be.
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
    if (path !== null) renameSync(beside, path);
  }

  /** Serves what comes from here on, and what came before. */
  activate(): void {
    const early = this.#early;
    this.#early = null;
    for (const socket of early ?? []) this.#incoming(socket);
  }

  /** Makes ready what a further plan needs, so that `update` cannot fail. Throws as the constructor does. */
  prepare(plan: ListenerPlan): void {
    this.#nextTls = this.#frontFor(plan);
  }

  update(plan: ListenerPlan): void {
    this.plan = plan;
    this.#tls = this.#nextTls?.settings === plan.tls ? this.#nextTls : this.#frontFor(plan);
    this.#nextTls = null;
  }

  #frontFor({ tls, proxyProtocol, path }: ListenerPlan): TlsFront | null {
    if (tls === null) return null;
    // `#proxied` tells connections apart by their endpoints, and those of a Unix socket have none.
    if (proxyProtocol && path !== null) {
      throw new Error(`cannot listen on ${path}: a Unix socket takes TLS or the PROXY protocol, not both`);
    }
    if (this.#tls !== null && isDeepStrictEqual(this.#tls.settings, tls)) return this.#tls;
    return new TlsFront(tls, this.#ticketKeys, (secure, certificate) => {
      // A handshake that outlasted the authorities it began with.
      if (!asksClientsAlike(tls, this.plan.tls)) secure.destroy();
      else this.#accept(secure, this.#proxied.get(endpointOf(secure)) ?? null, certificate, this);
    });
  }

  setTicketKeys(keys: Buffer): void {
    this.#ticketKeys = keys;
    this.#tls?.setTicketKeys(keys);
    this.#nextTls?.setTicketKeys(keys);
  }

  /** Stops listening; connections live on. */
  close(): void {
    this.#server.close();
    for (const socket of this.#early ?? []) socket.destroy();
  }

  #incoming(socket: Socket): void {
    if (!this.plan.proxyProtocol) {
      this.#secure(socket, null);
      return;
    }
    readHeader(socket, (endpoints) => this.#secure(socket, endpoints));
  }

  #secure(socket: Socket, proxied: ProxiedEndpoints | null): void {
    if (this.#tls === null) {
      this.#accept(socket, proxied, null, this);
      return;
    }
    if (!this.#admits(socket, proxied)) {
      socket.destroy();
      return;
    }
    // Until the handshake is done nobody else listens for the end of this socket.
    socket.on('error', () => socket.destroy());
    if (proxied !== null) {
      const endpoint = endpointOf(socket);
      this.#proxied.set(endpoint, proxied);
      socket.once('close', () => this.#proxied.delete(endpoint));
    }
    this.#tls.handshake(socket);
  }
}

function endpointOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** Waits for the PROXY header and puts back what follows it; a connection without one is closed. */
function readHeader(socket: Socket, done: (endpoints: ProxiedEndpoints | null) => void): void {
  let received = Buffer.alloc(0);
  const timeout = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT);
  const stop = (): void => {
    clearTimeout(timeout);
    socket.off('data', read);
    socket.off('end', end);
    socket.off('close', stop);
  };
  const end = (): void => {
    socket.destroy();
  };
  const read = (bytes: Buffer): void => {
    received = Buffer.concat([received, bytes]);
    const header = readProxyHeader(received);
    if (header === 'more') return;
    stop();
    socket.pause();
    if (header === 'refused') {
      socket.destroy();
      return;
    }
    if (received.length > header.length) socket.unshift(received.subarray(header.length));
    done(header.endpoints);
  };
  socket.on('error', end);
  socket.on('close', stop);
  socket.on('end', end);
  socket.on('data', read);
  // Accepted paused (`pauseOnConnect`): a listener alone does not start it.
  socket.resume();
}
