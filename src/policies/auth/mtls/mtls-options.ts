import { z } from 'zod';
import { headerName, listOf, mapOf, orTrue } from '../../../plan/fields.ts';
import { nameProblem } from '../../../plan/header-edits.ts';
import type { Consumer, OptionProblem } from '../../../plan/identifier.ts';

/** What an entry for client certificates may say. */

const FINGERPRINT = /^(?:sha256:)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})$/i;

/** A SHA-256 fingerprint as `openssl` and others write it, in lower-case hexadecimal; null when it is none. */
export function fingerprintOf(text: string): string | null {
  const match = FINGERPRINT.exec(text);
  return match === null ? null : (match[1] as string).replaceAll(':', '').toLowerCase();
}

const forward = z.strictObject({
  header: headerName()
    .superRefine((name, context) => {
      const problem = nameProblem(name, 'request');
      if (problem === null) return;
      context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
    })
    .prefault('client-cert')
    .describe('The field that carries it; what clients send under this name is removed on every route.'),
  as: z
    .enum(['certificate', 'pem', 'fingerprint', 'subject'])
    .default('certificate')
    .describe('The whole certificate as in RFC 9440, as URL-encoded PEM, or only what tells it apart.'),
});

const patterns = listOf(z.string().min(1));

export const mtlsOptions = z.strictObject({
  id: z
    .enum(['commonName', 'subject', 'uri', 'dns', 'email'])
    .default('commonName')
    .describe('What of a certificate is the caller’s id: a part of the subject, or a subjectAltName of that kind.'),
  allow: patterns
    .optional()
    .describe(
      'Ids that are let in; `*` stands for anything. Without it, all that the listener’s authorities vouch for.',
    ),
  consumers: mapOf(patterns)
    .default({})
    .describe('By entry of `consumers`: the ids (`*` stands for anything) or SHA-256 fingerprints that it has.'),
  forward: orTrue(forward)
    .optional()
    .describe('Show the certificate to the service, by default in `Client-Cert` (RFC 9440).'),
});

export type MtlsOptions = z.output<typeof mtlsOptions>;
export type ForwardAs = z.output<typeof forward>['as'];

export function checkMtls({ consumers }: MtlsOptions, known: ReadonlyMap<string, Consumer>): OptionProblem[] {
  return Object.keys(consumers)
    .filter((name) => !known.has(name))
    .map((name) => ({
      severity: 'error',
      code: 'unknown-consumer',
      message: `there is no consumer \`${name}\``,
      remedy: 'Add it to `consumers`.',
      path: ['consumers', name],
    }));
}
