import type { KeyPath } from '../config/key-path.ts';
import type { UpstreamTls } from '../plan/upstream.ts';
import type { CheckContext } from './check-context.ts';
import { checkPair, readPem } from './check-process.ts';
import type { ClientTlsValue } from './model/client-tls.ts';

export function clientTlsOf(value: ClientTlsValue, path: KeyPath, context: CheckContext): UpstreamTls {
  const read = (key: 'ca' | 'certificate' | 'key'): string | null => {
    const given = value[key];
    return given === undefined ? null : readPem(given, [...path, key], context);
  };
  const [ca, certificate, key] = [read('ca'), read('certificate'), read('key')];
  if ((certificate === null) !== (key === null)) {
    const message = 'a client certificate and its key belong together';
    context.error('incomplete-tls', message, `Add \`${certificate === null ? 'certificate' : 'key'}\`.`, path);
  } else if (certificate !== null && key !== null) {
    checkPair(certificate, key, path, context);
  }
  if (!value.verify) {
    const remedy = 'Name the authority in `ca` instead.';
    context.keyWarning('unverified-tls', 'the certificate of this service is not checked', remedy, [...path, 'verify']);
  }
  return { verify: value.verify, ca, certificate, key, serverName: value.serverName ?? null };
}
