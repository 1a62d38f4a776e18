import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { RecordsError } from '../plan/records.ts';
import { type RevocationDesk, RevocationError } from '../supervisor/revocations.ts';
import { refuse, starting } from './refusal.ts';

/** What was revoked, whatever says so. */
export function addRevocationRoutes(
  app: FastifyInstance,
  guarded: RouteShorthandOptions,
  revocations: () => RevocationDesk | null,
): void {
  const at = async (
    reply: FastifyReply,
    status: number,
    act: (desk: RevocationDesk) => Promise<unknown>,
  ): Promise<unknown> => {
    const desk = revocations();
    if (desk === null) return starting(reply);
    try {
      return reply.code(status).send(await act(desk));
    } catch (error) {
      if (error instanceof RevocationError) {
        const { kind, message } = error;
        return refuse(reply, kind === 'unknown' ? 404 : 422, `revocation_${kind}`, message);
      }
      if (error instanceof RecordsError) return refuse(reply, 503, 'store_unavailable', error.message);
      throw error;
    }
  };
  app.get('/revocations', guarded, (_request, reply) =>
    at(reply, 200, async (desk) => ({ revocations: await desk.list() })),
  );
  app.post('/revocations', guarded, ({ body }, reply) => at(reply, 201, (desk) => desk.add(body)));
  app.post('/revocations/undo', guarded, ({ body }, reply) => at(reply, 200, (desk) => desk.undo(body)));
}
