import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { ListenerTls } from '../plan/plan.ts';
import { Certificates } from './certificates.ts';

/** A handshake comes at once or not at all. */
export const HANDSHAKE_TIMEOUT = 10_000;

/**
 * The TLS side of a listener for one set of settings. New settings get a new one, so that all of them count for the
 * handshakes to come; connections and handshakes that began with the old one keep it.
 */
export class TlsFront {
  readonly settings: ListenerTls;
  readonly #server: TlsServer;

  /** Throws on a certificate or key that does not load. */
  constructor(settings: ListenerTls, ticketKeys: Buffer | null, accept: (secure: TLSSocket) => void) {
    this.settings = settings;
    const certificates = new Certificates(settings);
    this.#server = createServer(
      {
        ...certificates.defaultOptions,
        SNICallback: (name, done) => done(null, certificates.contextFor(name)),
        ALPNProtocols: [...settings.alpn],
        handshakeTimeout: HANDSHAKE_TIMEOUT,
        allowHalfOpen: true,
        ...(ticketKeys !== null && { ticketKeys }),
      },
      (secure) => {
        secure.pause();
        accept(secure);
      },
    );
    // The peer spoke no TLS, or refused ours: nobody is there to answer.
    this.#server.on('tlsClientError', (_error, secure) => secure.destroy());
  }

  /** Takes a connection that may have received the beginning of its handshake already. */
  handshake(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  setTicketKeys(keys: Buffer): void {
    this.#server.setTicketKeys(keys);
  }
}
