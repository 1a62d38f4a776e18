import { z } from 'zod';
import { count, duration, listOf, network, percent, privateKey, size } from '../../plan/fields.ts';
import { socketAddress } from './address.ts';

/** The parts of the document that speak of the process, its listeners and its connections. */

const certificate = z.strictObject({
  certificate: z.string().min(1).describe('Path of a PEM file with the certificate chain, or the PEM text itself.'),
  key: privateKey().describe('Path of a PEM file with the private key, or the PEM text itself.'),
  hosts: listOf(z.string().min(1)).optional().describe('Server names it is for; those in the certificate otherwise.'),
});

const tlsCommon = {
  minVersion: z.enum(['1.2', '1.3']).default('1.2').describe('The oldest TLS version that is spoken.'),
  clientCertificates: z
    .strictObject({
      ca: z.string().min(1).describe('Path or PEM text of the authorities that may vouch for clients.'),
      mode: z
        .enum(['required', 'optional'])
        .default('required')
        .describe('`optional`: a client without a good certificate is let in as one without any.'),
    })
    .optional()
    .describe('Ask clients for a certificate; the `mtls` entries of `auth` say who they are.'),
};

const listenerTls = z.union([
  z.strictObject({ ...certificate.shape, ...tlsCommon }),
  z.strictObject({ certificates: listOf(certificate).describe('Chosen by server name.'), ...tlsCommon }),
]);

const listener = z.union([
  socketAddress(),
  z.strictObject({
    address: socketAddress(),
    tls: listenerTls.optional().describe('Speak TLS here.'),
    proxyProtocol: z
      .boolean()
      .default(false)
      .describe('Expect a PROXY protocol header (v1 or v2) in front of every connection.'),
  }),
]);

const workers = z.union([
  count(1, 1024),
  z.literal('auto'),
  z.strictObject({
    count: z.union([count(1, 1024), z.literal('auto')]).default('auto'),
    maxHeap: size({ min: 32 * 1024 * 1024 })
      .default(1024 ** 3)
      .describe('A worker above 80 % of it is replaced.'),
    hangAfter: duration({ min: 1000 }).default(5_000).describe('A worker that is silent for so long is replaced.'),
  }),
]);

const admin = z.union([
  socketAddress(),
  z.literal(false),
  z.strictObject({
    address: socketAddress(),
    hosts: listOf(z.string().min(1)).default([]).describe('Further names that `Host` may carry, e.g. behind a proxy.'),
  }),
]);

const connections = z.strictObject({
  headTimeout: duration({ min: 100 }).default(10_000).describe('Until a request head is complete: 408.'),
  bodyTimeout: duration({ min: 100 }).default(30_000).describe('Longest pause inside a request body: 408.'),
  idleTimeout: duration({ min: 100 }).default(65_000).describe('Longest pause between two requests.'),
  writeTimeout: duration({ min: 100 })
    .default(60_000)
    .describe('Longest time that a client may leave a response untaken.'),
  halfCloseTimeout: duration({ min: 100 })
    .default(30_000)
    .describe('How long an answer is worked on after the client ended its sending side.'),
  maxHead: size({ min: 1024, max: 1024 * 1024 })
    .default(32 * 1024)
    .describe('Largest request head: 431.'),
  maxTarget: size({ min: 256, max: 1024 * 1024 })
    .default(8 * 1024)
    .describe('Longest path and query: 414.'),
  maxFields: count(8, 10_000).default(100).describe('How many header fields a request may have: 431.'),
  maxRequests: count(1).default(100_000).describe('Requests on one connection before it is closed.'),
  max: count(1).default(16_384).describe('Open connections of one worker.'),
  maxPerAddress: z
    .union([z.literal(false), count(1)])
    .default(false)
    .describe('Open connections of one address (of a /64 in IPv6) to all workers; `trustedProxies` may have more.'),
  minUploadRate: size()
    .default(0)
    .describe('Bytes a second, over 5 s, in which a request body has to arrive at least: 408. `0`: none.'),
});

const overload = z.strictObject({
  loopDelay: duration({ min: 5, max: 10_000 })
    .default(50)
    .describe('How late the event loop of a worker may be before requests of low priority are turned away.'),
  heap: percent().default(0.85).describe('Share of a worker’s heap that may be in use before they are.'),
});

const forwarding = z.strictObject({
  trust: z
    .enum(['either', 'x-forwarded', 'forwarded'])
    .default('either')
    .describe('Which fields the trusted proxies write.'),
  send: listOf(z.enum(['x-forwarded', 'forwarded']))
    .default(['x-forwarded'])
    .describe('Which fields tell services about the client.'),
});

export const processShape = {
  version: z.literal(1).optional().describe('Version of this format.'),
  listen: listOf(listener).optional().describe('Where clients connect; `127.0.0.1:8080` by default.'),
  workers: workers.optional().describe('Worker threads; one for each core by default.'),
  trustedProxies: listOf(network()).default([]).describe('Whose X-Forwarded-For or Forwarded is believed.'),
  forwarding: forwarding.prefault({}).describe('How the client’s address is learnt and told.'),
  connections: connections.prefault({}).describe('What one client connection may take.'),
  overload: overload.prefault({}).describe('When `priority` begins to count.'),
  drain: z
    .strictObject({
      delay: duration().default(0).describe('Between failing readiness and closing the listeners.'),
      timeout: duration().default(30_000).describe('How long exchanges under way may take.'),
    })
    .prefault({})
    .describe('What happens after SIGTERM.'),
  admin: admin.optional().describe('Answers /metrics, /health/* and the admin API; `127.0.0.1:9900` by default.'),
  stateDir: z.string().min(1).optional().describe('Where the admin token and local state are kept.'),
};

export const processSchema = z.object(processShape);
export type ProcessValue = z.output<typeof processSchema>;
export type ListenerValue = z.output<typeof listener>;
export type ListenerTlsValue = z.output<typeof listenerTls>;
