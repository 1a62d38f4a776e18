import type { FastifyReply } from 'fastify';

/** RFC 9457. `members` are what programs may want besides. */
export function refuse(
  reply: FastifyReply,
  status: number,
  code: string,
  title: string,
  members: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title, status, code, ...members });
}

export function starting(reply: FastifyReply): FastifyReply {
  return refuse(reply, 503, 'starting', 'The gateway is still starting');
}
