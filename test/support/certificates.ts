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
}

export function makeAuthority(name = 'Test Authority'): Authority {
  const own = make(name, ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign'], null);
  return { ...own, issue: (names) => make(names[0] ?? name, alternativeNames(names), own) };
}

export function selfSigned(names: readonly string[]): KeyPair {
  return make(names[0] ?? 'nobody', alternativeNames(names), null);
}

function alternativeNames(names: readonly string[]): string[] {
  const entries = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`);
  return ['-addext', `subjectAltName=${entries.join(',')}`];
}

function make(commonName: string, extensions: readonly string[], issuer: KeyPair | null): KeyPair {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
  const file = (name: string): string => join(directory, name);
  try {
    const args = ['req', '-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    args.push('-subj', `/CN=${commonName}`, '-keyout', file('key'), '-out', file('certificate'), ...extensions);
    if (issuer !== null) {
      writeFileSync(file('issuer'), issuer.certificate);
      writeFileSync(file('issuer-key'), issuer.key);
      args.push('-CA', file('issuer'), '-CAkey', file('issuer-key'), '-addext', 'basicConstraints=critical,CA:FALSE');
    }
    execFileSync('openssl', args, { stdio: 'pipe' });
    return { certificate: readFileSync(file('certificate'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
