import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { RecordsError } from '../plan/records.ts';
import { KeyDeskError } from '../supervisor/key-requests.ts';
import type { KeyDesk } from '../supervisor/keys.ts';
import { refuse, starting } from './refusal.ts';

/** A thousand keys with everything that can be said of them. */
const MAX_IMPORT_BYTES = 4 * 1024 * 1024;

const statusOf: Readonly<Record<KeyDeskError['kind'], number>> = { invalid: 422, unknown: 404, conflict: 409 };

/** API keys in the store. A key itself is in two answers only, those that make one. */
export function addKeyRoutes(app: FastifyInstance, guarded: RouteShorthandOptions, keys: () => KeyDesk | null): void {
  const at = async (
    reply: FastifyReply,
    status: number,
    act: (desk: KeyDesk) => Promise<unknown>,
  ): Promise<unknown> => {
    const desk = keys();
    if (desk === null) return starting(reply);
    try {
      const answer = await act(desk);
      return reply.code(status).send(answer);
    } catch (error) {
      if (error instanceof KeyDeskError) {
        const { kind, message, problems } = error;
        return refuse(reply, statusOf[kind], `key_${kind}`, message, problems.length === 0 ? {} : { problems });
      }
      if (error instanceof RecordsError) return refuse(reply, 503, 'store_unavailable', error.message);
      throw error;
    }
  };

  app.get('/keys', guarded, (_request, reply) => at(reply, 200, async (desk) => ({ keys: await desk.list() })));
  app.post('/keys', guarded, ({ body }, reply) => at(reply, 201, (desk) => desk.create(body)));
  app.post('/keys/import', { ...guarded, bodyLimit: MAX_IMPORT_BYTES }, ({ body }, reply) =>
    at(reply, 200, (desk) => desk.import(body)),
  );
  app.post<{ Params: { id: string } }>('/keys/:id/rotate', guarded, ({ params, body }, reply) =>
    at(reply, 201, (desk) => desk.rotate(params.id, body ?? {})),
  );
  for (const change of ['revoke', 'disable', 'enable'] as const) {
    app.post<{ Params: { id: string } }>(`/keys/:id/${change}`, guarded, ({ params }, reply) =>
      at(reply, 200, (desk) => desk[change](params.id)),
    );
  }
}
