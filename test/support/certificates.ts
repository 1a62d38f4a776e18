import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Certificates made for one test run by the `openssl` command: Node can read them but not make them. PEM texts. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends KeyPair {
  /** A certificate for these names and addresses, good for both ends of a connection. */
  issue(names: readonly string[]): KeyPair;
  /** One for a client: a subject such as `/O=Example/CN=orders`, and alternative names such as `URI:spiffe://shop/orders`. */
  issueClient(subject: string, alternatives?: readonly string[], options?: ClientOptions): KeyPair;
  /** An authority under this one. */
  subordinate(name: string): Authority;
}

export interface ClientOptions {
  /** Its validity is over. */
  readonly expired?: boolean;
  /** `clientAuth` and the like; absent: any. */
  readonly usage?: string;
}

export function makeAuthority(name = 'Test Authority'): Authority {
  return authorityOf(make(`/CN=${name}`, authorityExtensions, null));
}

const authorityExtensions = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign'];
const leafExtensions = ['-addext', 'basicConstraints=critical,CA:FALSE'];

function authorityOf(own: KeyPair): Authority {
  return {
    ...own,
    issue: (names) => make(`/CN=${names[0] ?? ''}`, [...leafExtensions, ...alternativeNames(names)], own),
    issueClient: (subject, alternatives = [], { expired = false, usage } = {}) => {
      const extensions = [...leafExtensions];
      if (alternatives.length > 0) extensions.push('-addext', `subjectAltName=${alternatives.join(',')}`);
      if (usage !== undefined) extensions.push('-addext', `extendedKeyUsage=${usage}`);
      const pair = make(subject, extensions, own);
      return expired ? reissue(pair, own, -1) : pair;
    },
    subordinate: (name) => authorityOf(make(`/CN=${name}`, authorityExtensions, own)),
  };
}

export function selfSigned(names: readonly string[]): KeyPair {
  return make(`/CN=${names[0] ?? 'nobody'}`, alternativeNames(names), null);
}

function alternativeNames(names: readonly string[]): string[] {
  const entries = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`);
  return ['-addext', `subjectAltName=${entries.join(',')}`];
}

function make(subject: string, extensions: readonly string[], issuer: KeyPair | null): KeyPair {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
  const file = (name: string): string => join(directory, name);
  try {
    const args = ['req', '-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    args.push('-utf8', '-subj', subject, '-keyout', file('key'), '-out', file('certificate'), ...extensions);
    if (issuer !== null) {
      writeFileSync(file('issuer'), issuer.certificate);
      writeFileSync(file('issuer-key'), issuer.key);
      args.push('-CA', file('issuer'), '-CAkey', file('issuer-key'));
    }
    openssl(args);
    return { certificate: readFileSync(file('certificate'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same again with another end, which older versions of `openssl req` cannot put into the past. */
function reissue({ certificate, key }: KeyPair, issuer: KeyPair, days: number): KeyPair {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
  const file = (name: string): string => join(directory, name);
  try {
    for (const [name, text] of Object.entries({ certificate, key, issuer: issuer.certificate, signer: issuer.key })) {
      writeFileSync(file(name), text);
    }
    const request = ['-x509toreq', '-in', file('certificate'), '-signkey', file('key'), '-out', file('request')];
    openssl(['x509', ...request]);
    const authority = ['-CA', file('issuer'), '-CAkey', file('signer'), '-set_serial', '1', '-days', String(days)];
    openssl(['x509', '-req', '-in', file('request'), ...authority, '-out', file('certificate')]);
    return { certificate: readFileSync(file('certificate'), 'utf8'), key };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function openssl(args: readonly string[]): void {
  try {
    execFileSync('openssl', args, { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('tests of TLS make certificates with openssl, which is missing: apt-get install openssl');
  }
}
