import type { FastifyInstance, RouteShorthandOptions } from 'fastify';
import { type BreakerDesk, BreakerError } from '../supervisor/breakers.ts';
import { refuse, starting } from './refusal.ts';

/** Circuit breakers, and what operators make of them. */
export function addBreakerRoutes(
  app: FastifyInstance,
  guarded: RouteShorthandOptions,
  breakers: () => BreakerDesk | null,
): void {
  app.get('/breakers', guarded, async (_request, reply) => {
    const desk = breakers();
    return desk === null ? starting(reply) : { breakers: desk.list() };
  });
  app.post('/breakers/order', guarded, async ({ body }, reply) => {
    const desk = breakers();
    if (desk === null) return starting(reply);
    try {
      return desk.order(body);
    } catch (error) {
      if (!(error instanceof BreakerError)) throw error;
      const { kind, message } = error;
      return refuse(reply, kind === 'unknown' ? 404 : 422, `breaker_${kind}`, message);
    }
  });
}
