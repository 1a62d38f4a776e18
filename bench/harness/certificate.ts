import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Started } from './process.ts';

/** A certificate for a day, signed by itself: nobody here verifies it, all present the same one. */
export async function makeCertificate(
  directory: string,
): Promise<{ certificate: string; key: string; combined: string }> {
  const key = join(directory, 'bench.key');
  const certificate = join(directory, 'bench.crt');
  const combined = join(directory, 'bench.pem');
  const subject = ['-subj', '/CN=bench.example', '-addext', 'subjectAltName=DNS:bench.example,IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const output = ['-keyout', key, '-out', certificate];
  const args = ['req', '-x509', '-nodes', '-days', '1', ...curve, ...subject, ...output];
  await new Started('openssl', null, 'openssl', args).finish(10_000);
  writeFileSync(combined, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  return { certificate, key, combined };
}
