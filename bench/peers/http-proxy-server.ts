import { readFileSync } from 'node:fs';
import { fastifyHttpProxy } from '@fastify/http-proxy';
import fastify, { type FastifyRequest } from 'fastify';

/** `@fastify/http-proxy` as its users tune it: a pool of kept-alive connections, no request log. Ends on SIGTERM. */

const [port, upstreamPort, certificate, key] = process.argv.slice(2);
if (port === undefined || upstreamPort === undefined) throw new Error('usage: PORT UPSTREAM-PORT [CERTIFICATE KEY]');

const scheme = certificate ? 'https' : 'http';
const settings = { logger: false, keepAliveTimeout: 600_000, forceCloseConnections: true } as const;
const https = certificate && key ? { cert: readFileSync(certificate), key: readFileSync(key) } : null;
const app = fastify({ ...settings, https });

await app.register(fastifyHttpProxy, {
  upstream: `http://127.0.0.1:${upstreamPort}`,
  undici: { connections: 128, pipelining: 1, keepAliveTimeout: 600_000 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      'x-forwarded-for': (request as FastifyRequest).ip,
      'x-forwarded-proto': scheme,
      'x-forwarded-host': headers.host,
    }),
  },
});
await app.listen({ host: '127.0.0.1', port: Number(port) });
process.once('SIGTERM', () => process.exit(0));
