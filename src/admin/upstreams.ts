import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { type UpstreamDesk, UpstreamError } from '../supervisor/upstreams/upstream-desk.ts';
import { refuse, starting } from './refusal.ts';

const STATUS = { unknown: 404, invalid: 422, last: 409 } as const;

/** Upstreams with their endpoints, and taking one of those out. */
export function addUpstreamRoutes(
  app: FastifyInstance,
  guarded: RouteShorthandOptions,
  upstreams: () => UpstreamDesk | null,
): void {
  const at = (reply: FastifyReply, act: (desk: UpstreamDesk) => unknown): unknown => {
    const desk = upstreams();
    if (desk === null) return starting(reply);
    try {
      return reply.send(act(desk));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return refuse(reply, STATUS[error.kind], `upstream_${error.kind}`, error.message);
    }
  };
  app.get<{ Querystring: { name?: string } }>('/upstreams', guarded, async ({ query }, reply) =>
    at(reply, (desk) => ({ upstreams: desk.list(query.name ?? null) })),
  );
  app.post('/upstreams/drain', guarded, async ({ body }, reply) => at(reply, (desk) => desk.drain(body)));
  app.post('/upstreams/undrain', guarded, async ({ body }, reply) => at(reply, (desk) => desk.undrain(body)));
}
