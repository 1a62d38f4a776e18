import type { Identity } from '../../plan/exchange.ts';
import type { IdentifierEnv } from '../../plan/identifier.ts';

/** What a credential says about its caller. */
export interface CallerFacts {
  readonly id: string;
  /** Name of a consumer; one that the configuration does not know has nothing but its name. */
  readonly consumer: string | null;
  /** Nearer than the plans of the consumer and of the entry. */
  readonly plan?: string | null;
  readonly scopes?: readonly string[];
  readonly roles?: readonly string[];
  readonly groups?: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

const none: readonly string[] = Object.freeze([]);
const noClaims: Readonly<Record<string, unknown>> = Object.freeze({});

/**
 * The identity of a caller, together with what the configuration says about the consumer that it is. Frozen, since it is
 * remembered and many requests share it; the claims are the caller's to freeze.
 */
export function identityOf(
  { id, consumer, plan = null, scopes = none, roles = none, groups = none, claims = noClaims }: CallerFacts,
  { entry, consumers, defaultPlan }: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>,
): Identity {
  const known = consumer === null ? undefined : consumers.get(consumer);
  return Object.freeze({
    id,
    method: entry,
    consumer,
    plan: plan ?? known?.plan ?? defaultPlan,
    scopes: Object.freeze(scopes),
    roles: joined(roles, known?.roles),
    groups: joined(groups, known?.groups),
    claims,
  });
}

function joined(own: readonly string[], given: readonly string[] | undefined): readonly string[] {
  if (given === undefined || given.length === 0) return Object.freeze(own);
  return Object.freeze(own.length === 0 ? given : [...new Set([...own, ...given])]);
}
