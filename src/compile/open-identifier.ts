import type { Identifier, IdentifierEnv } from '../plan/identifier.ts';
import type { LogSink } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import type { Service, ServiceOptions } from '../plan/service.ts';
import { FeedRevocations } from '../policies/auth/revocations.ts';
import type { Feeds } from './feeds.ts';
import type { AuthEntryDocument } from './plan-document.ts';

/** What identifiers get from the worker that they run in. */
export interface IdentifierPorts {
  readonly feeds: Feeds;
  readonly log: LogSink;
  problem(message: string): void;
  service(options: ServiceOptions): Service & { close(): void };
}

/** With everything that it holds. */
export interface OpenIdentifier {
  readonly identifier: Identifier;
  close(): void;
}

/** Under which the main thread publishes what was revoked. */
export const REVOCATIONS = { owner: 'revocations', name: 'all' } as const;

/** Puts an entry of `auth` to work; its services close with it. */
export function openIdentifier(
  { owner, entry, kind, options, plan, consumers }: AuthEntryDocument,
  { identifiers }: Registry,
  { feeds, log, problem, service }: IdentifierPorts,
): OpenIdentifier {
  const module = identifiers.find(({ name }) => name === kind);
  if (module === undefined) throw new Error(`there is no kind of credential ${kind}`);
  const services: { close(): void }[] = [];
  const env: IdentifierEnv = {
    entry,
    consumers: new Map(consumers),
    defaultPlan: plan,
    feed: (name) => feeds.find(owner, name),
    revocations: new FeedRevocations(feeds.find(REVOCATIONS.owner, REVOCATIONS.name)),
    service: (asked) => {
      const opened = service(asked);
      services.push(opened);
      return opened;
    },
    log,
    problem: (message) => problem(`${entry}: ${message}`),
  };
  const identifier = module.compile(options, env);
  return {
    identifier,
    close: () => {
      identifier.close();
      for (const each of services) each.close();
    },
  };
}
