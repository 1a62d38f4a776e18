import { z } from 'zod';
import { privateKey } from '../../plan/fields.ts';

/** How a server is spoken to as its client. */
export const clientTls = z.strictObject({
  verify: z.boolean().default(true).describe('Check the certificate of the service.'),
  ca: z.string().min(1).optional().describe('Path or PEM text of the authorities to trust instead of the system’s.'),
  certificate: z.string().min(1).optional().describe('Path or PEM text of the certificate to show to the service.'),
  key: privateKey().optional().describe('Path or PEM text of its private key.'),
  serverName: z.string().min(1).optional().describe('Name that is sent and verified instead of the host of the URL.'),
});

export type ClientTlsValue = z.output<typeof clientTls>;
