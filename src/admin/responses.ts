import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { type ResponseDesk, ResponseDeskError } from '../supervisor/responses.ts';
import { refuse, starting } from './refusal.ts';

/** Stored responses: what there is, and purging it. */
export function addResponseRoutes(
  app: FastifyInstance,
  guarded: RouteShorthandOptions,
  responses: () => ResponseDesk | null,
): void {
  const at = async (reply: FastifyReply, act: (desk: ResponseDesk) => Promise<unknown>): Promise<unknown> => {
    const desk = responses();
    if (desk === null) return starting(reply);
    try {
      return reply.send(await act(desk));
    } catch (error) {
      if (!(error instanceof ResponseDeskError)) throw error;
      return refuse(reply, error.kind === 'unknown' ? 404 : 422, `cache_${error.kind}`, error.message);
    }
  };
  app.get('/cache', guarded, ({ query }, reply) =>
    at(reply, async (desk) => ({ responses: await desk.list(query), stats: desk.stats })),
  );
  app.get<{ Querystring: { of?: string } }>('/cache/entry', guarded, ({ query }, reply) =>
    at(reply, async (desk) => ({ responses: await desk.show(query.of ?? '') })),
  );
  app.get('/cache/stats', guarded, (_request, reply) => at(reply, async (desk) => desk.stats));
  app.post('/cache/purge', guarded, ({ body }, reply) => at(reply, (desk) => desk.purge(body ?? {})));
}
