import { isIP } from 'node:net';
import { z } from 'zod';
import { count, duration, httpUrl, listOf, size } from '../../plan/fields.ts';
import { upstreamUrl } from './address.ts';
import { clientTls } from './client-tls.ts';
import { fieldMap } from './upstream-health.ts';

/** Where an upstream's targets are found besides, or instead of, `targets`. */

function nameUrl(what: string, isService: boolean) {
  return upstreamUrl().superRefine((url, context) => {
    const refuse = (message: string, remedy: string): void => {
      context.addIssue({ code: 'custom', message, params: { remedy } });
    };
    if (url.path !== null || isIP(url.host) !== 0) refuse(`this has no name to look up`, `Write \`${what}\`.`);
    else if (isService && !/^_[^.]+\._[^.]+\../.test(url.host))
      refuse('this is not the name of a service', `Write for instance \`${what}\`.`);
    else if (isService && /:\d+(?:\/|$)/.test(url.text.slice(8)))
      refuse('the records say the port', 'Leave the port out.');
  });
}

const keepFor = duration()
  .prefault('1h')
  .describe('How long the last targets stay in use after it has said that there are none. A failure never ends them.');

const lookUp = {
  servers: listOf(
    z
      .string()
      .regex(/^(?:\d+(?:\.\d+){3}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/)
      .meta({ expects: 'the address of a name server such as `10.0.0.2:53`', examples: ['10.0.0.2', '[::1]:8600'] }),
  )
    .optional()
    .describe('Name servers to ask; those of the system (`/etc/resolv.conf`).'),
  ttl: z
    .strictObject({
      min: duration({ min: 100, max: 3_600_000 }).prefault('2s').describe('Not looked up more often than that.'),
      max: duration({ min: 1_000, max: 86_400_000 }).prefault('5m').describe('Looked up at least as often as that.'),
    })
    .prefault({})
    .describe('Bounds of how long the records say that they are good.'),
  timeout: duration({ min: 10, max: 60_000 }).prefault('2s').describe('How long an answer may take.'),
  keepFor,
};

const placing = {
  weight: count(1, 1_000_000).default(1).describe('Of `dns`: that of each target that is found.'),
  priority: count(0, 1000).default(0).describe('Of `dns`: group of each target that is found; 0 is the first.'),
};

const sources = [
  z.strictObject({
    dns: nameUrl('http://orders.internal:8080', false).describe(
      'Every address (A, AAAA) of this full name is a target.',
    ),
    family: z.enum(['any', 'ipv4', 'ipv6']).default('any').describe('Of `dns`: which addresses.'),
    ...placing,
    ...lookUp,
  }),
  z.strictObject({
    srv: nameUrl('http://_http._tcp.orders.internal', true).describe(
      'Its SRV records say hosts, ports, weights and priorities.',
    ),
    ...lookUp,
  }),
  z.strictObject({
    file: z.string().min(1).describe('A YAML or JSON list, written as `targets` is; read again when it changes.'),
    keepFor,
  }),
  z.strictObject({
    http: httpUrl().describe('Answers a JSON list, written as `targets` is.'),
    interval: duration({ min: 500, max: 86_400_000 })
      .prefault('10s')
      .describe('Of `http`: from one request to the next.'),
    timeout: duration({ min: 10, max: 60_000 }).prefault('5s').describe('How long an answer may take.'),
    maxSize: size({ min: 1024, max: 16 * 1024 * 1024 })
      .prefault('1MiB')
      .describe('Of `http`: largest answer.'),
    headers: fieldMap().optional().describe('Of `http`: fields of the request, such as `authorization`.'),
    tls: clientTls.optional().describe('How an `https:` URL is spoken to.'),
    keepFor,
  }),
] as const;

export const discoverSchema = listOf(z.union(sources));
export type SourceValue = z.output<typeof discoverSchema>[number];
