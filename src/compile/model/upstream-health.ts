import { z } from 'zod';
import { count, duration, listOf, mapOf, percent, secret } from '../../plan/fields.ts';

/** How an upstream's endpoints are asked whether they are well. */

/** Both included. */
export type StatusRange = readonly [from: number, to: number];

/** `200`, `2xx` or `200-399`. */
function statusRange() {
  const expects = 'a status such as `200`, `2xx` or `200-399`';
  return z
    .union([
      z.int().min(100).max(599),
      z.string().meta({ expects, pattern: '^[1-5](xx|\\d\\d(-[1-5]\\d\\d)?)$', examples: ['2xx', '200-399'] }),
    ])
    .transform((given, context): StatusRange => {
      const text = String(given);
      const [, first = '', rest = '', last = first + rest] = /^([1-5])(xx|\d\d)(?:-([1-5]\d\d))?$/.exec(text) ?? [];
      if (rest === 'xx' && last === `${first}xx`) return [Number(first) * 100, Number(first) * 100 + 99];
      if (rest !== '' && rest !== 'xx' && first + rest <= last) return [Number(first + rest), Number(last)];
      const remedy = 'Write for instance `200`, `2xx` or `200-399`.';
      context.addIssue({ code: 'custom', message: 'this is no status of a response', params: { remedy } });
      return z.NEVER;
    });
}

/** Fields that the gateway sends of itself; a token may be among them. */
export function fieldMap() {
  const value = z
    .string()
    .regex(/^[\t -~\x80-\xff]*$/)
    .meta({ expects: 'the value of a header' });
  return mapOf(secret(value));
}

export const healthSchema = z.strictObject({
  path: z
    .string()
    .regex(/^\/[!-~]*$/)
    .meta({ expects: 'a path such as `/healthz`' })
    .optional()
    .describe('Ask with an HTTP request for this path, behind that of the target’s URL.'),
  tcp: z.literal(true).optional().describe('Only connect (with TLS where the target has it).'),
  method: z.enum(['GET', 'HEAD', 'OPTIONS', 'POST']).optional().describe('Of the request; `GET`.'),
  status: listOf(statusRange()).optional().describe('Which statuses are good ones: `200`, `2xx`, `200-399`; `2xx`.'),
  body: z.string().min(1).optional().describe('Text that the first 64 KiB of the response have to contain.'),
  host: z
    .string()
    .regex(/^[A-Za-z0-9._~:[\]-]+$/)
    .meta({ expects: 'a host' })
    .optional()
    .describe('What `Host` says; the fixed `hostHeader`, or the host of the target.'),
  headers: fieldMap().optional().describe('Further fields of the request.'),
  interval: duration({ min: 100, max: 3_600_000 }).prefault('5s').describe('From one check to the next.'),
  jitter: percent()
    .refine((share) => share <= 0.5, { message: 'this must be at most `50%`', params: { remedy: 'Write `20%`.' } })
    .prefault('20%')
    .describe('How far an interval may be off by chance, so that gateways do not ask all at once.'),
  timeout: duration({ min: 10, max: 60_000 })
    .optional()
    .describe('How long a check may take as a whole; `2s`, or a shorter `interval`.'),
  healthyAfter: count(1, 100)
    .default(2)
    .describe('Good checks in a row after which an unhealthy target is well again.'),
  unhealthyAfter: count(1, 100).default(3).describe('Bad checks in a row after which a healthy one is not.'),
});

export type HealthValue = z.output<typeof healthSchema>;
