import { createHash, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { ClientCertificates, ListenerTls } from '../plan/plan.ts';

/** The certificates of one listener by server name: exact names, then `*.suffix`, then the first one. */
export class Certificates {
  /** The first certificate's, for clients that name no server. */
  readonly defaultOptions: SecureContextOptions;
  readonly #exact = new Map<string, SecureContext>();
  readonly #suffixes = new Map<string, SecureContext>();
  readonly #first: SecureContext | undefined;

  /** Throws on a certificate or key that does not load. */
  constructor(tls: ListenerTls) {
    let first: SecureContext | undefined;
    let defaultOptions: SecureContextOptions = {};
    const clients = tls.clientCertificates === null ? {} : clientOptions(tls.clientCertificates);
    for (const { certificate, key, hosts } of tls.certificates) {
      const options: SecureContextOptions = { cert: certificate, key, minVersion: tls.minVersion, ...clients };
      const context = createSecureContext(options);
      if (first === undefined) {
        first = context;
        defaultOptions = options;
      }
      for (const host of hosts.length > 0 ? hosts : namesIn(certificate)) {
        const name = host.toLowerCase();
        const [names, known] = name.startsWith('*.') ? [this.#suffixes, name.slice(1)] : [this.#exact, name];
        // Whichever is listed first keeps the name.
        if (!names.has(known)) names.set(known, context);
      }
    }
    this.#first = first;
    this.defaultOptions = defaultOptions;
  }

  contextFor(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    // RFC 9525, 6.3: a wildcard stands for exactly one label.
    const dot = name.indexOf('.');
    return (dot > 0 ? this.#suffixes.get(name.slice(dot)) : undefined) ?? this.#first;
  }
}

/** Whether a client that one of them has let in is the same to the other. */
export function asksClientsAlike(one: ListenerTls | null, other: ListenerTls | null): boolean {
  return one === other || isDeepStrictEqual(one?.clientCertificates ?? null, other?.clientCertificates ?? null);
}

/**
 * Every context has them, since the one that the server name chooses takes the place of the listener's. A session goes on
 * only under the settings that it began with: tickets are shared by all listeners and workers, and what one of them took
 * without a certificate, or by an authority that is no longer trusted, must not pass for a certificate here.
 */
function clientOptions({ ca, required }: ClientCertificates): SecureContextOptions {
  const id = createHash('sha256').update(`${required} ${ca}`).digest('hex').slice(0, 32);
  return { ca, sessionIdContext: id };
}

/** DNS names of the certificate's subjectAltName. */
function namesIn(certificate: string): string[] {
  const alternatives = new X509Certificate(certificate).subjectAltName ?? '';
  return alternatives
    .split(', ')
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice(4));
}
