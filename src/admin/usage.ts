import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { RecordsError } from '../plan/records.ts';
import { type UsageDesk, UsageError } from '../supervisor/usage.ts';
import { refuse, starting } from './refusal.ts';

/** Plans, and what callers used of their quotas. */
export function addUsageRoutes(
  app: FastifyInstance,
  guarded: RouteShorthandOptions,
  usage: () => UsageDesk | null,
): void {
  const at = async (reply: FastifyReply, act: (desk: UsageDesk) => Promise<unknown>): Promise<unknown> => {
    const desk = usage();
    if (desk === null) return starting(reply);
    try {
      return reply.send(await act(desk));
    } catch (error) {
      if (error instanceof UsageError) {
        const { kind, message } = error;
        return refuse(reply, kind === 'unknown' ? 404 : 422, `usage_${kind}`, message);
      }
      if (error instanceof RecordsError) return refuse(reply, 503, 'store_unavailable', error.message);
      throw error;
    }
  };
  app.get('/plans', guarded, (_request, reply) => at(reply, async (desk) => ({ plans: desk.plans() })));
  app.get<{ Querystring: { subject?: string } }>('/usage', guarded, ({ query }, reply) =>
    at(reply, async (desk) => ({ usage: await desk.list(query.subject ?? null), store: desk.state.store })),
  );
  app.post('/usage/adjust', guarded, ({ body }, reply) =>
    at(reply, async (desk) => ({ usage: await desk.adjust(body) })),
  );
}
