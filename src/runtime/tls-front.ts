import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { PeerCertificate } from '../plan/exchange.ts';
import type { ListenerTls } from '../plan/plan.ts';
import { Certificates } from './certificates.ts';
import { ClientCertificate } from './client-certificate.ts';

/** A handshake comes at once or not at all. */
export const HANDSHAKE_TIMEOUT = 10_000;

export type AcceptSecure = (secure: TLSSocket, certificate: PeerCertificate | null) => void;

/**
 * The TLS side of a listener for one set of settings. New settings get a new one, so that all of them count for the
 * handshakes to come; connections and handshakes that began with the old one keep it, unless they concern clients.
 */
export class TlsFront {
  readonly settings: ListenerTls;
  readonly #server: TlsServer;

  /** Throws on a certificate or key that does not load. */
  constructor(settings: ListenerTls, ticketKeys: Buffer | null, accept: AcceptSecure) {
    this.settings = settings;
    const { clientCertificates } = settings;
    const certificates = new Certificates(settings);
    this.#server = createServer(
      {
        ...certificates.defaultOptions,
        SNICallback: (name, done) => done(null, certificates.contextFor(name)),
        ALPNProtocols: [...settings.alpn],
        handshakeTimeout: HANDSHAKE_TIMEOUT,
        allowHalfOpen: true,
        ...(ticketKeys !== null && { ticketKeys }),
        requestCert: clientCertificates !== null,
        rejectUnauthorized: clientCertificates?.required === true,
      },
      (secure) => {
        secure.pause();
        if (clientCertificates === null) {
          accept(secure, null);
          return;
        }
        const certificate = clientCertificateOf(secure);
        if (certificate === null && clientCertificates.required) secure.destroy();
        else accept(secure, certificate);
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

/** Node calls a session authorized that was resumed without any certificate: the certificate itself must be there. */
function clientCertificateOf(secure: TLSSocket): PeerCertificate | null {
  if (!secure.authorized) return null;
  const certificate = secure.getPeerX509Certificate();
  return certificate === undefined ? null : new ClientCertificate(certificate);
}
