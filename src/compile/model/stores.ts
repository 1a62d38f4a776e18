import { z } from 'zod';
import { count, duration, listOf, orTrue, secret, size } from '../../plan/fields.ts';
import { noStores } from '../../stores/settings.ts';
import { clientTls } from './client-tls.ts';
import { redisUrl } from './redis-url.ts';

/** The part of the document that says where state is kept that outlives a process or is shared by several. */

const DAY_MS = 24 * 60 * 60 * 1000;

const shared = z.strictObject({
  redis: redisUrl().optional().describe('URL of the server: Redis 6.2 or later, or Valkey.'),
  cluster: listOf(redisUrl()).optional().describe('URLs of some nodes of a cluster; the others are found.'),
  sentinel: z
    .strictObject({
      master: z.string().min(1).describe('Name under which the sentinels know the servers.'),
      nodes: listOf(redisUrl()).describe('URLs of the sentinels; their port is 26379 as a rule.'),
      username: secret().optional().describe('Of the sentinels, not of the servers.'),
      password: secret().optional(),
    })
    .optional()
    .describe('Ask sentinels which server is in charge.'),
  username: secret().optional().describe('User of the access control list; `default` when left out.'),
  password: secret().optional(),
  database: count(0, 99_999).optional().describe('Number of the database; a cluster has only 0.'),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,64}$/)
    .meta({ expects: 'up to 64 letters, digits, `.`, `_`, `:` and `-`' })
    .default('sluice')
    .describe('Begins every key and channel: gateways with one prefix share everything.'),
  tls: clientTls.optional().describe('How `rediss:` servers are spoken to.'),
  timeout: duration({ min: 1, max: 10_000 }).default(50).describe('How long a request may wait for it.'),
  onFailure: z
    .enum(['local', 'allow', 'deny'])
    .default('local')
    .describe('What limited requests get while it is away: what this machine knows, passage, or 503.'),
  cache: z
    .union([
      z.literal(false),
      orTrue(
        z.strictObject({
          maxObject: size({ min: 1024, max: 768 * 1024 })
            .prefault('256KiB')
            .describe('Largest response that the machines share.'),
          maxLifetime: duration({ min: 1000, max: 30 * DAY_MS })
            .prefault('1d')
            .describe('How long one is kept there at most.'),
        }),
      ),
    ])
    .default(false)
    .describe('Share stored responses too. Purges reach all machines with or without it.'),
});

const local = z.strictObject({
  buckets: count(1_024, 2 ** 26)
    .default(noStores.local.buckets)
    .describe('Keys of limits that can be at work at once; 32 bytes of shared memory for each that is used.'),
  cache: size({ min: 1024 ** 2, max: 32 * 1024 ** 3 })
    .default(noStores.local.cache)
    .describe('Memory for stored responses, once for all workers; what is not used is not taken.'),
});

export const storesSchema = z.strictObject({
  local: local.optional().describe('What this process keeps in its own memory.'),
  shared: shared.optional().describe('What several machines share; each is on its own without it.'),
});
export type StoresValue = z.output<typeof storesSchema>;
export type SharedStoreValue = z.output<typeof shared>;
