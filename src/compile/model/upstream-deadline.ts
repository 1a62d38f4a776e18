import { z } from 'zod';
import { headerName } from '../../plan/fields.ts';
import { nameProblem } from '../../plan/header-edits.ts';
import type { DeadlineHeader } from '../../plan/upstream.ts';
import { timeoutFormats } from '../../semantics/timeout-field.ts';

const GRPC_NAME = 'grpc-timeout';

const field = headerName().superRefine((name, context) => {
  const problem = nameProblem(name, 'request');
  if (problem === null) return;
  context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
});

const long = z
  .strictObject({
    header: field.describe('The field. What clients send in it never reaches the service.'),
    unit: z
      .enum(timeoutFormats)
      .optional()
      .describe('Milliseconds, seconds, or as gRPC writes it; `ms`, for `grpc-timeout` `grpc`.'),
    trust: z.boolean().default(false).describe('Clients may shorten the time by sending the field themselves.'),
  })
  .transform(({ header, unit, trust }): DeadlineHeader => ({ name: header, format: unit ?? formatOf(header), trust }));

/** The name of a header, or that with what is in it. */
export const propagateSchema = z.union([
  field.transform((name): DeadlineHeader => ({ name, format: formatOf(name), trust: false })),
  long,
]);

function formatOf(name: string): DeadlineHeader['format'] {
  return name === GRPC_NAME ? 'grpc' : 'ms';
}
