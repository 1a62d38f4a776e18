import { type Clock, systemClock } from '../../../base/clock.ts';
import type { IdentifierSuperviseEnv } from '../../../plan/identifier.ts';
import type { Supervised } from '../../../plan/policy.ts';
import { Outage } from '../outage.ts';
import { Discovery } from './oidc-discovery.ts';
import { LOGOUTS_FEED, PROVIDER_FEED, RENEWALS_FEED, sealFor } from './oidc-feeds.ts';
import { Logouts } from './oidc-logouts.ts';
import type { OidcOptions } from './oidc-options.ts';
import { ProviderClient, type ProviderMetadata } from './oidc-provider.ts';
import { Renewals } from './oidc-renewals.ts';

/** What an entry that signs browsers in has on the main thread. */
export function superviseOidc(
  options: OidcOptions,
  env: IdentifierSuperviseEnv,
  clock: Clock = systemClock,
): Supervised {
  const { entry, records } = env;
  const { issuer, clientId, session } = options;
  const client = new ProviderClient(options);
  const outage = (): Outage => new Outage(env.problem);
  const provider = env.feed<ProviderMetadata>(PROVIDER_FEED, async () => {
    await discovery.find();
  });
  const discovery = new Discovery(client, provider, outage(), clock);
  const ended = env.feed<number>(LOGOUTS_FEED, (hint) => logouts.add(hint));
  const logouts = new Logouts({ issuer, clientId, ttl: session.ttl }, records, ended, outage(), clock);
  const renewed = env.feed<string>(RENEWALS_FEED, (hint) => renewals.renew(hint));
  const seal = sealFor('renewal', entry, options);
  const renewals = new Renewals({ client, discovery, seal, outage: outage(), clock }, options, renewed);
  env.report(() => ({ provider: issuer, ...discovery.report(), endedSessions: logouts.report() }));
  return {
    settled: Promise.all([discovery.settled, logouts.settled]).then(() => undefined),
    async close() {
      discovery.close();
      renewals.close();
      await logouts.close();
    },
  };
}
