import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import { type FieldName, fieldName, HeaderBlock } from '../../../base/headers.ts';
import type { Exchange, Identity, PeerCertificate } from '../../../plan/exchange.ts';
import { defineIdentifier, type Identifier, type IdentifierEnv } from '../../../plan/identifier.ts';
import { Reply } from '../../../plan/reply.ts';
import { matchesGlob } from '../../../semantics/glob.ts';
import { toWire } from '../../../semantics/percent.ts';
import { identityOf } from '../identity.ts';
import { checkMtls, type ForwardAs, fingerprintOf, type MtlsOptions, mtlsOptions } from './mtls-options.ts';

const wwwAuthenticate = fieldName('www-authenticate');

export const mtls = defineIdentifier({
  name: 'mtls',
  summary:
    'Client certificate that the listener has verified (`listen.tls.clientCertificates`); the id is a name in it.',
  schema: mtlsOptions,
  examples: [
    { title: 'Services of a mesh', options: { id: 'uri', allow: 'spiffe://shop.example/ns/prod/*' } },
    {
      title: 'A partner by its common name, shown to the service',
      options: { consumers: { acme: ['acme-orders', 'acme-stock'] }, forward: true },
    },
  ],
  check: checkMtls,
  identityFields: ({ forward }) => (forward === undefined ? [] : [forward.header]),
  compile: (options, env) => new MtlsIdentifier(options, env),
});

/** What is known of a connection's certificate, found out once. */
interface Judged {
  /** Null: nobody who is let in. */
  readonly identity: Identity | null;
  readonly fingerprint: string;
  /** Milliseconds since the epoch; a connection may outlive its certificate. */
  readonly notAfter: number;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly forwarded: string | null;
  isRevoked: boolean;
  /** Of the revocations that `isRevoked` is about. */
  version: number;
}

class MtlsIdentifier implements Identifier {
  readonly entry: string;
  readonly place = 'client certificate';
  readonly challenge: string;
  readonly invite = null;
  readonly serve = null;
  readonly conceal: ((exchange: Exchange) => void) | null;
  readonly #options: MtlsOptions;
  readonly #env: IdentifierEnv;
  readonly #consumers: readonly { readonly name: string; readonly isNamed: readonly CertificateTest[] }[];
  readonly #judged = new WeakMap<PeerCertificate, Judged>();

  constructor(options: MtlsOptions, env: IdentifierEnv) {
    this.#options = options;
    this.#env = env;
    this.entry = env.entry;
    // No scheme is registered for it, and a 401 has to name one (RFC 9110, 11.6.1).
    this.challenge = `ClientCertificate realm="${env.entry.replace(/["\\]/g, '\\$&')}"`;
    this.#consumers = Object.entries(options.consumers).map(([name, patterns]) => ({
      name,
      isNamed: patterns.map(testFor),
    }));
    this.conceal = options.forward === undefined ? null : this.#forwardIn(fieldName(options.forward.header));
  }

  identify({ peer }: Exchange): Identity | Reply | undefined {
    const { certificate } = peer;
    if (certificate === null) return undefined;
    const judged = this.#judge(certificate);
    const { identity } = judged;
    if (identity === null) return this.#refuse(errors.credentialInvalid);
    if (judged.notAfter <= Date.now()) return this.#refuse(errors.credentialExpired);
    if (judged.version !== this.#env.revocations.version) this.#lookForRevocation(judged, identity);
    return judged.isRevoked ? this.#refuse(errors.credentialRevoked) : identity;
  }

  close(): void {}

  #judge(certificate: PeerCertificate): Judged {
    let judged = this.#judged.get(certificate);
    if (judged === undefined) {
      const { fingerprint, notAfter, notBefore } = certificate;
      const id = this.#idOf(certificate);
      judged = {
        identity: id === null ? null : this.#identityOf(id, certificate),
        fingerprint,
        notAfter,
        issuedAt: Math.floor(notBefore / 1000),
        forwarded: this.#options.forward === undefined ? null : written(certificate, this.#options.forward.as),
        isRevoked: false,
        version: -1,
      };
      this.#judged.set(certificate, judged);
    }
    return judged;
  }

  /** The first name of that kind that is let in. */
  #idOf(certificate: PeerCertificate): string | null {
    const { id, allow } = this.#options;
    for (const name of namesOf(certificate, id)) {
      if (!isUsable(name)) continue;
      if (allow === undefined || allow.some((pattern) => matchesGlob(pattern, name))) return name;
    }
    return null;
  }

  #identityOf(id: string, certificate: PeerCertificate): Identity {
    const { subject, uris, dnsNames, emails, fingerprint, serial, notAfter } = certificate;
    const consumer = this.#consumers.find(({ isNamed }) => isNamed.some((test) => test(id, fingerprint)));
    const exp = Math.floor(notAfter / 1000);
    const claims = { subject, uris, dnsNames, emails, fingerprint, serial, exp };
    return identityOf({ id, consumer: consumer?.name ?? null, claims }, this.#env);
  }

  #lookForRevocation(judged: Judged, { id, consumer }: Identity): void {
    const { revocations } = this.#env;
    const { fingerprint, issuedAt } = judged;
    judged.isRevoked =
      revocations.isRevoked('key', fingerprint, null) ||
      revocations.isRevoked('subject', id, issuedAt) ||
      (consumer !== null && revocations.isRevoked('consumer', consumer, issuedAt));
    judged.version = revocations.version;
  }

  #forwardIn(field: FieldName): (exchange: Exchange) => void {
    return ({ peer, headers }) => {
      if (peer.certificate === null) return;
      const { forwarded } = this.#judge(peer.certificate);
      if (forwarded !== null) headers.set(field, forwarded);
    };
  }

  #refuse(error: GatewayError): Reply {
    return Reply.refuse(error, null, HeaderBlock.of([[wwwAuthenticate.lower, this.challenge]]));
  }
}

type CertificateTest = (id: string, fingerprint: string) => boolean;

/** One or the other: an authority that puts any name into a certificate must not thereby make it another certificate. */
function testFor(pattern: string): CertificateTest {
  const wanted = fingerprintOf(pattern);
  return wanted === null ? (id) => matchesGlob(pattern, id) : (_id, fingerprint) => fingerprint === wanted;
}

function namesOf(certificate: PeerCertificate, kind: MtlsOptions['id']): readonly string[] {
  switch (kind) {
    case 'commonName':
      return certificate.commonName === null ? [] : [certificate.commonName];
    case 'subject':
      return [certificate.subject];
    case 'uri':
      return certificate.uris;
    case 'dns':
      return certificate.dnsNames.map((name) => name.toLowerCase());
    case 'email':
      return certificate.emails;
  }
}

const CONTROL = /[\0-\x1f\x7f]/;

/** An id goes into headers and logs. */
function isUsable(name: string): boolean {
  return name !== '' && !CONTROL.test(name);
}

function written({ encoded, fingerprint, subject }: PeerCertificate, as: ForwardAs): string {
  switch (as) {
    case 'certificate':
      // RFC 9440, 2.1: a byte sequence of structured fields.
      return `:${encoded}:`;
    case 'pem': {
      const lines = encoded.replace(/.{1,64}/g, '$&\n');
      return encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`);
    }
    case 'fingerprint':
      return fingerprint;
    case 'subject':
      return toWire(subject);
  }
}
