import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '../plan/exchange.ts';
import { type AlternativeNames, noAlternativeNames, parseAlternativeNames } from '../semantics/alternative-names.ts';
import { commonName, distinguishedName } from '../semantics/distinguished-name.ts';

/** The certificate of one connection: each part is read when it is asked for, since most connections never are. */
export class ClientCertificate implements PeerCertificate {
  readonly #certificate: X509Certificate;
  #names: AlternativeNames | null = null;

  constructor(certificate: X509Certificate) {
    this.#certificate = certificate;
  }

  get subject(): string {
    return distinguishedName(this.#certificate.subject ?? '');
  }

  get commonName(): string | null {
    return commonName(this.#certificate.subject ?? '');
  }

  get uris(): readonly string[] {
    return this.#alternatives.uris;
  }

  get dnsNames(): readonly string[] {
    return this.#alternatives.dnsNames;
  }

  get emails(): readonly string[] {
    return this.#alternatives.emails;
  }

  get fingerprint(): string {
    return this.#certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  }

  get serial(): string {
    return this.#certificate.serialNumber.toLowerCase();
  }

  get notBefore(): number {
    return this.#certificate.validFromDate.getTime();
  }

  get notAfter(): number {
    return this.#certificate.validToDate.getTime();
  }

  get encoded(): string {
    return this.#certificate.raw.toString('base64');
  }

  get #alternatives(): AlternativeNames {
    this.#names ??= parseAlternativeNames(this.#certificate.subjectAltName ?? '') ?? noAlternativeNames;
    return this.#names;
  }
}
