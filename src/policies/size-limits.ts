import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { count, size } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';

const options = z
  .strictObject({
    body: size()
      .optional()
      .describe('Largest request body: 413 at once where Content-Length says so, else when the bytes exceed it.'),
    head: size().optional().describe('Largest request head, all header fields together: 431.'),
    fields: count(1).optional().describe('How many header fields a request may have: 431.'),
    target: size().optional().describe('Longest path and query together: 414.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .refine(({ body, head, fields, target }) => [body, head, fields, target].some((limit) => limit !== undefined), {
    message: 'this limits nothing',
    params: { remedy: 'Add `body`, `head`, `fields` or `target`.' },
  });

export const sizeLimits = definePolicy({
  name: 'sizeLimits',
  summary: 'Bounds the size of requests on a route, within what the listener accepts at all.',
  schema: options,
  examples: [
    { title: 'Small JSON documents', options: { body: '64KiB' } },
    { title: 'No long searches', options: { target: '2KiB', fields: 50, head: '8KiB' } },
  ],
  compile({ body, head, fields, target, report }, { log }) {
    const maxBody = body ?? Number.POSITIVE_INFINITY;
    const maxHead = head ?? Number.POSITIVE_INFINITY;
    const maxFields = fields ?? Number.POSITIVE_INFINITY;
    const maxTarget = target ?? Number.POSITIVE_INFINITY;
    const needsGuard = head !== undefined || fields !== undefined || target !== undefined;
    return {
      ...(body !== undefined && !report && { maxBody: body }),
      ...(needsGuard && {
        request: {
          phase: 'guard',
          run(exchange) {
            const { headers } = exchange;
            if (exchange.target.length > maxTarget) {
              return refuseOrReport(report, log, 'sizeLimits', exchange, errors.uriTooLong);
            }
            if (headers.count > maxFields || headers.text.length > maxHead) {
              return refuseOrReport(report, log, 'sizeLimits', exchange, errors.headersTooLarge);
            }
            return undefined;
          },
        },
      }),
      ...(body !== undefined &&
        report && {
          done(exchange) {
            // What was declared and never read counts as well.
            if (exchange.requestBytes > maxBody || (exchange.body !== null && exchange.body.size > maxBody)) {
              refuseOrReport(true, log, 'sizeLimits', exchange, errors.bodyTooLarge);
            }
          },
        }),
    };
  },
});
