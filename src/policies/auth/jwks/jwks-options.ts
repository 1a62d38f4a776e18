import { z } from 'zod';
import { duration, httpUrl } from '../../../plan/fields.ts';

const HOUR = 3_600_000;

/** How an issuer's public keys are obtained: the part of the `jwt` options that `superviseJwks` reads. */
export const jwksFields = {
  jwksUrl: httpUrl().optional().describe('Where the keys are, for issuers without discovery.'),
  fetch: z
    .strictObject({
      refresh: duration({ min: 1000, max: 24 * HOUR })
        .optional()
        .describe(
          'How long keys are good; by default what the issuer says (`Cache-Control`), between 1 minute and 1 hour.',
        ),
      keepStale: duration({ max: 14 * 24 * HOUR })
        .default(24 * HOUR)
        .describe('How long they are used past that when the issuer fails; then tokens cannot be judged: 503.'),
      timeout: duration({ min: 10, max: 60_000 }).default(5_000).describe('For one answer of the issuer, whole.'),
      ca: z
        .string()
        .min(1)
        .optional()
        .describe('PEM text of the authorities to trust instead of the system’s, such as `${file:ca.pem}`.'),
    })
    .prefault({})
    .describe(
      'How keys are fetched. A token with an unknown key id makes them be fetched at once, while it waits; after that brought nothing new, not again for 5 seconds.',
    ),
};

export interface JwksOptions {
  /** URLs. Keys are found by discovery unless `jwksUrl` says where they are. */
  readonly issuer: readonly string[];
  readonly jwksUrl?: string | undefined;
  readonly fetch: FetchOptions;
}

export interface FetchOptions {
  /** Milliseconds, like the others. */
  readonly refresh?: number | undefined;
  readonly keepStale: number;
  readonly timeout: number;
  readonly ca?: string | undefined;
}
