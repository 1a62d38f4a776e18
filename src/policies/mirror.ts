import { z } from 'zod';
import { LookAlikes } from '../base/look-alikes.ts';
import { formatDuration, formatPercent, formatSize } from '../base/units.ts';
import type { Dispatch } from '../plan/call.ts';
import { count, duration, percent, size } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { routeEvent } from '../plan/route-events.ts';
import { Mirror } from './mirror/mirror-copy.ts';
import { MirroredBody } from './mirror/mirrored-body.ts';

/** Where clients put what they prove themselves with, whatever the entries of `auth` read. */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization'];

const options = z.strictObject({
  to: z.string().min(1).describe('The upstream that gets the copies: its name, or a URL.'),
  share: percent().prefault('100%').describe('Of how many requests a copy is made.'),
  maxBody: size({ max: 16 * 1024 * 1024 })
    .prefault('64KiB')
    .describe('Requests with a larger body are not copied: the copy is kept until the body is whole.'),
  timeout: duration({ min: 1 }).prefault('10s').describe('How long a copy may take, its body and its answer together.'),
  maxInFlight: count(1, 10_000).default(100).describe('Copies of a worker under way at once; past it none is made.'),
  credentials: z
    .boolean()
    .default(true)
    .describe('Whether the copy says who calls, as the service is told; `false` takes all such fields out.'),
});
type Options = z.output<typeof options>;

const schema = z.union([
  z
    .string()
    .min(1)
    .transform((to): Options => options.parse({ to })),
  options,
]);

export const mirror = definePolicy<Options>({
  name: 'mirror',
  summary:
    'Sends a copy of requests to another upstream, with `x-sluice-mirror: 1`, and throws the answers away. Whatever becomes of a copy, the caller never notices.',
  schema,
  examples: [
    { title: 'Every request, to try a new version', options: 'orders-next' },
    {
      title: 'One in ten, and nothing that tells who calls',
      options: { to: 'orders-next', share: '10%', credentials: false },
    },
  ],
  references: ({ to }) => [{ kind: 'upstream', name: to, path: ['to'] }],
  compile({ to, share, maxBody, timeout, maxInFlight, credentials }, env) {
    const withheld = credentials ? null : [...CREDENTIALS, ...env.credentials.headers, ...env.identityFields];
    const copies = new Mirror({
      dispatch: env.upstream(to),
      maxBody,
      timeout,
      maxInFlight,
      withheld: withheld === null ? null : new LookAlikes(withheld),
      counter: env.routeEvents,
      answered: routeEvent('mirror', 'answered'),
      failed: routeEvent('mirror', 'failed'),
      skipped: routeEvent('mirror', 'skipped'),
    });
    const bounds = `bodies up to ${formatSize(maxBody)}, ${formatDuration(timeout)}, ${maxInFlight} at once in each worker`;
    return {
      dispatch: {
        layer: 'mirror',
        words: `copies ${formatPercent(share)} to upstream ${to}${credentials ? '' : ' without credentials'}; ${bounds}`,
        wrap: (next): Dispatch =>
          function mirrored(call, sink) {
            const { exchange, body } = call;
            if (exchange === null || call.upgrade !== null || (share < 1 && Math.random() >= share)) {
              next(call, sink);
              return;
            }
            const { series } = exchange.route;
            if (body !== null) {
              call.body = new MirroredBody(body, copies, call, series);
              next(call, sink);
              return;
            }
            // Made before, since fields may not outlive an answer; sent after, since the caller comes first.
            const copy = copies.begin(call, series);
            next(call, sink);
            copy?.send();
          },
      },
    };
  },
});
