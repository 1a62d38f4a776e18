import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KeyPath } from '../config/key-path.ts';
import type { ConnectionLimits, Forwarding, ListenerPlan, ListenerTls } from '../plan/plan.ts';
import type { CheckContext } from './check-context.ts';
import { valueAt } from './inherit.ts';
import type { ListenerTlsValue, ListenerValue, ProcessValue } from './model/process.ts';

const DEFAULT_LISTENER: ListenerPlan = {
  address: '127.0.0.1:8080',
  host: '127.0.0.1',
  port: 8080,
  path: null,
  tls: null,
  proxyProtocol: false,
};

export function checkListeners(listen: ProcessValue['listen'], context: CheckContext): ListenerPlan[] {
  if (listen === undefined) return [DEFAULT_LISTENER];
  const listeners: ListenerPlan[] = [];
  const taken = new Map<string, KeyPath>();
  for (const [index, value] of listen.entries()) {
    const path = itemPath(context, ['listen'], index);
    const listener = checkListener(value, path, context);
    const where = listener.path ?? `${listener.host}:${listener.port}`;
    const before = taken.get(where);
    if (before !== undefined && listener.port !== 0) {
      context.error('duplicate-listener', `\`${where}\` is listened on twice`, 'Remove one.', path, [before]);
    }
    taken.set(where, path);
    listeners.push(listener);
  }
  return listeners;
}

/** A list with one item may be written without the list. */
export function itemPath(context: CheckContext, path: KeyPath, index: number): KeyPath {
  return Array.isArray(valueAt(context.loaded.value, path)) ? [...path, index] : path;
}

function checkListener(value: ListenerValue, path: KeyPath, context: CheckContext): ListenerPlan {
  const { text, host, port, path: socket } = 'address' in value ? value.address : value;
  const tls = 'address' in value && value.tls !== undefined ? checkTls(value.tls, [...path, 'tls'], context) : null;
  const proxyProtocol = 'address' in value && value.proxyProtocol;
  return { address: text, host, port, path: socket, tls, proxyProtocol };
}

function checkTls(value: ListenerTlsValue, path: KeyPath, context: CheckContext): ListenerTls {
  const many = 'certificates' in value;
  const given = many ? value.certificates : [value];
  const certificates = given.map((each, index) => {
    const at = many ? itemPath(context, [...path, 'certificates'], index) : path;
    const certificate = readPem(each.certificate, [...at, 'certificate'], context);
    const key = readPem(each.key, [...at, 'key'], context);
    checkPair(certificate, key, at, context);
    return { certificate, key, hosts: each.hosts ?? [] };
  });
  const { minVersion, clientCertificates } = value;
  return {
    certificates,
    minVersion: `TLSv${minVersion}`,
    alpn: ['http/1.1'],
    clientCertificates:
      clientCertificates === undefined
        ? null
        : {
            ca: readAuthorities(clientCertificates.ca, [...path, 'clientCertificates', 'ca'], context),
            required: clientCertificates.mode === 'required',
          },
  };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A list of certificates that can be read, and in which chains end. */
function readAuthorities(given: string, path: KeyPath, context: CheckContext): string {
  const text = readPem(given, path, context);
  if (text === '') return '';
  const certificates: X509Certificate[] = [];
  for (const certificate of text.match(PEM_CERTIFICATE) ?? []) {
    try {
      certificates.push(new X509Certificate(certificate));
    } catch {
      context.error('invalid-pem', 'this has a certificate that cannot be read', 'Export it again as PEM.', path);
      return '';
    }
  }
  if (certificates.length === 0) {
    context.error('invalid-pem', 'this has no certificate in it', 'Name the certificates of the authorities.', path);
  } else if (!certificates.some((each) => each.checkIssued(each))) {
    const remedy = 'Add the certificate of the authority at the root, which signed itself.';
    context.error('incomplete-authorities', 'nobody’s certificate can be traced to these', remedy, path);
  }
  return text;
}

/** The text itself, or that of the file it names; empty after an error. */
export function readPem(given: string, path: KeyPath, context: CheckContext): string {
  if (given.includes('-----BEGIN ')) return given;
  const file = context.dataFile(given, path);
  try {
    const text = readFileSync(file, 'utf8');
    if (text.includes('-----BEGIN ')) return text;
    context.error('invalid-pem', `\`${given}\` is not a PEM file`, 'Convert it to PEM (`-----BEGIN …-----`).', path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    const remedy = 'Paths are relative to the file that names them.';
    context.error('missing-file', `\`${given}\` ${reason}`, remedy, path);
  }
  return '';
}

export function checkPair(certificate: string, key: string, path: KeyPath, context: CheckContext): void {
  if (certificate === '' || key === '') return;
  let parsed: X509Certificate;
  let secret: KeyObject;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    context.error('invalid-pem', 'this is not a certificate', 'Put the server’s certificate first.', [
      ...path,
      'certificate',
    ]);
    return;
  }
  try {
    secret = createPrivateKey(key);
  } catch {
    const remedy = 'Use an unencrypted private key in PEM.';
    context.error('invalid-pem', 'this is not a private key that can be read', remedy, [...path, 'key']);
    return;
  }
  if (!parsed.checkPrivateKey(secret)) {
    const remedy = 'Name the key that the certificate was made for.';
    context.error('key-mismatch', 'this key does not belong to the certificate', remedy, [...path, 'key']);
  }
  if (parsed.validToDate.getTime() < Date.now()) {
    const message = `this certificate has expired on ${parsed.validToDate.toISOString().slice(0, 10)}`;
    context.keyWarning('certificate-expired', message, 'Renew it.', [...path, 'certificate']);
  }
}

export function connectionLimits({ connections }: ProcessValue): ConnectionLimits {
  const { max, maxRequests, maxPerAddress, ...limits } = connections;
  return {
    ...limits,
    maxRequestsPerConnection: maxRequests,
    maxConnections: max,
    maxConnectionsPerAddress: maxPerAddress === false ? 0 : maxPerAddress,
  };
}

export function forwardingOf({ forwarding }: ProcessValue): Forwarding {
  return {
    source: forwarding.trust,
    xForwarded: forwarding.send.includes('x-forwarded'),
    forwarded: forwarding.send.includes('forwarded'),
  };
}
