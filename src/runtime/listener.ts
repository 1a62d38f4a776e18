import { renameSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { threadId } from 'node:worker_threads';
import type { ListenerPlan } from '../plan/plan.ts';
import { type ProxiedEndpoints, readProxyHeader } from '../semantics/proxy-protocol.ts';
import { Certificates } from './certificates.ts';

/** Connections that may wait in the kernel; it caps the number at `net.core.somaxconn`. */
const BACKLOG = 16_384;
/** A balancer's PROXY header and a TLS handshake come at once or not at all. */
const HANDSHAKE_TIMEOUT = 10_000;

export type Accept = (socket: Socket, proxied: ProxiedEndpoints | null, listener: Listener) => void;

/** A bound address of one worker. It outlives plans: reloads change what it is told, never the socket. */
export class Listener {
  plan: ListenerPlan;
  readonly #server: NetServer;
  readonly #accept: Accept;
  readonly #tls: TlsServer | null;
  readonly #certificates: Certificates | null;
  /** What balancers said about connections that are now TLS, by the balancer's own endpoint. */
  readonly #proxied = new Map<string, ProxiedEndpoints>();
  /** Accepted before the first plan was committed. */
  #early: Socket[] | null = [];

  constructor(plan: ListenerPlan, ticketKeys: Buffer | null, accept: Accept) {
    this.plan = plan;
    this.#accept = accept;
    // Half-open, or Node would answer a client's FIN with ours before the response is out.
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#early === null) this.#incoming(socket);
      else this.#early.push(socket);
    });
    if (plan.tls === null) {
      this.#tls = null;
      this.#certificates = null;
      return;
    }
    const certificates = new Certificates(plan.tls);
    this.#certificates = certificates;
    this.#tls = createTlsServer(
      {
        ...certificates.defaultOptions,
        SNICallback: (name, done) => done(null, certificates.contextFor(name)),
        ALPNProtocols: [...plan.tls.alpn],
        handshakeTimeout: HANDSHAKE_TIMEOUT,
        allowHalfOpen: true,
        ...(ticketKeys !== null && { ticketKeys }),
      },
      (secure: TLSSocket) => {
        secure.pause();
        this.#accept(secure, this.#proxied.get(endpointOf(secure)) ?? null, this);
      },
    );
    // The peer spoke no TLS, or refused ours: nobody is there to answer.
    this.#tls.on('tlsClientError', (_error, secure) => secure.destroy());
  }

  async bind(): Promise<void> {
    const { host, port, path } = this.plan;
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

  update(plan: ListenerPlan): void {
    this.plan = plan;
    if (plan.tls !== null && this.#certificates !== null && this.#tls !== null) {
      this.#certificates.update(plan.tls);
      this.#tls.setSecureContext(this.#certificates.defaultOptions);
    }
  }

  setTicketKeys(keys: Buffer): void {
    this.#tls?.setTicketKeys(keys);
  }

  /** Stops listening; connections live on. */
  close(): void {
    this.#server.close();
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
      this.#accept(socket, proxied, this);
      return;
    }
    // Until the handshake is done nobody else listens for the end of this socket.
    socket.on('error', () => socket.destroy());
    if (proxied !== null) {
      const endpoint = endpointOf(socket);
      this.#proxied.set(endpoint, proxied);
      socket.once('close', () => this.#proxied.delete(endpoint));
    }
    this.#tls.emit('connection', socket);
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
}
