import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { BreakerDesk } from '../supervisor/breakers.ts';
import type { KeyDesk } from '../supervisor/keys.ts';
import type { ReloadOutcome } from '../supervisor/reloader.ts';
import type { ResponseDesk } from '../supervisor/responses.ts';
import type { RevocationDesk } from '../supervisor/revocations.ts';
import type { AdminSettings } from '../supervisor/settings.ts';
import type { Status } from '../supervisor/status.ts';
import type { UpstreamDesk } from '../supervisor/upstreams/upstream-desk.ts';
import type { UsageDesk } from '../supervisor/usage.ts';
import { addBreakerRoutes } from './breakers.ts';
import { acceptsHost } from './host-check.ts';
import { addKeyRoutes } from './keys.ts';
import { refuse, starting } from './refusal.ts';
import { addResponseRoutes } from './responses.ts';
import { addRevocationRoutes } from './revocations.ts';
import { carriesToken } from './token.ts';
import { addUpstreamRoutes } from './upstreams.ts';
import { addUsageRoutes } from './usage.ts';

const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** What the admin API may ask and do. Null: the process is still starting. */
export interface Controls {
  ready(): boolean;
  draining(): boolean;
  metrics(): { type: string; text: string } | null;
  status(): Status | null;
  reload(): Promise<ReloadOutcome | null>;
  drain(): void;
  /** Another process serves the same addresses: finish, and leave the admin address to it. */
  handOver(): void;
  keys(): KeyDesk | null;
  revocations(): RevocationDesk | null;
  usage(): UsageDesk | null;
  responses(): ResponseDesk | null;
  upstreams(): UpstreamDesk | null;
  breakers(): BreakerDesk | null;
  /** Null: there is no place to keep a token, so nothing that needs one is on offer. */
  token(): string | null;
  /** Names, beside addresses and this machine's own, by which the API may be called. */
  hosts(): readonly string[];
}

/** Listens for probes, scrapers and operators. Rejects with the system's error when the address cannot be had. */
export async function openAdmin(settings: AdminSettings, controls: Controls): Promise<{ close(): Promise<void> }> {
  const app = buildAdmin(controls);
  if (settings.path !== null) {
    await removeStale(settings.path);
    await app.listen({ path: settings.path });
  } else {
    await app.listen({ host: settings.host ?? '127.0.0.1', port: settings.port });
  }
  return {
    close: async () => {
      // Probes keep their connections alive; waiting for them would hold up the process.
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

export function buildAdmin(controls: Controls): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: true,
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    // A Unix socket cannot be reached by a web page, and its callers send whatever name they like.
    if (request.socket.remoteAddress !== undefined && !acceptsHost(request.headers.host, controls.hosts())) {
      return refuse(reply, 421, 'host_not_allowed', 'This host name is not allowed; see `admin.hosts`');
    }
  });
  app.setErrorHandler((error: { statusCode?: number; message: string }, _request, reply) => {
    const status = error.statusCode ?? 500;
    return refuse(reply, status, 'admin_error', status < 500 ? error.message : 'The request failed');
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'not_found', 'There is nothing here'));

  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    if (controls.ready()) return { status: 'ready' };
    return reply.code(503).send({ status: controls.draining() ? 'draining' : 'not ready' });
  });
  app.get('/metrics', async (_request, reply) => {
    const metrics = controls.metrics();
    return metrics === null ? starting(reply) : reply.type(metrics.type).send(metrics.text);
  });

  const guarded = {
    onRequest: (request: FastifyRequest, reply: FastifyReply) => requireToken(request, reply, controls),
  };
  app.get('/status', guarded, async (_request, reply) => controls.status() ?? starting(reply));
  app.post('/reload', guarded, async (_request, reply) => {
    const outcome = await controls.reload();
    return outcome === null ? starting(reply) : reply.code(outcome.ok ? 200 : 422).send(outcome);
  });
  app.post('/drain', guarded, async (_request, reply) => {
    controls.drain();
    return reply.code(202).send({ status: 'draining' });
  });
  app.post('/hand-over', guarded, async (_request, reply) => {
    // The answer first: handing over closes this very connection.
    reply.raw.once('finish', () => controls.handOver());
    return reply.code(202).send({ status: 'handing over' });
  });
  addKeyRoutes(app, guarded, () => controls.keys());
  addRevocationRoutes(app, guarded, () => controls.revocations());
  addUsageRoutes(app, guarded, () => controls.usage());
  addResponseRoutes(app, guarded, () => controls.responses());
  addUpstreamRoutes(app, guarded, () => controls.upstreams());
  addBreakerRoutes(app, guarded, () => controls.breakers());
  return app;
}

async function requireToken(request: FastifyRequest, reply: FastifyReply, controls: Controls): Promise<unknown> {
  const token = controls.token();
  if (token === null)
    return refuse(reply, 503, 'no_token', 'There is no admin token: the state directory is not usable');
  if (carriesToken(request.headers.authorization, token)) return undefined;
  reply.header('www-authenticate', 'Bearer realm="sluice admin"');
  return refuse(reply, 401, 'token_required', 'This needs the admin token');
}

/** A socket file that nobody answers on is left over from a process that was killed. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
  if (!answered) rmSync(path, { force: true });
}
