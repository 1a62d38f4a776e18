/**
 * What the configuration may say and the gateway cannot do yet. `check` warns about each place; a route for which
 * something is `refused` answers 501, because it would run unprotected or answer wrongly without it; what is `ignored`
 * only makes a route faster or sturdier, and the route runs without. Whoever builds a feature deletes its row.
 */
export type LaterEffect = 'refused' | 'ignored';

export interface LaterFeature {
  readonly effect: LaterEffect;
  /** In words, for the warning: `<what> is not available yet`. */
  readonly what: string;
}

function refused(what: string): LaterFeature {
  return { effect: 'refused', what };
}
function ignored(what: string): LaterFeature {
  return { effect: 'ignored', what };
}

/** Settings of routes, presets, gateways and defaults; a dot leads into the options of one. */
export const laterSettings: Readonly<Record<string, LaterFeature>> = {
  'response.select': refused('selecting fields of a response'),
  cache: ignored('caching'),
  fallback: ignored('falling back'),
  compress: ignored('compression'),
  retry: ignored('retrying'),
  breaker: ignored('the circuit breaker'),
  mirror: ignored('mirroring'),
  fault: ignored('fault injection'),
};

/** Kinds of targets. */
export const laterTargets: Readonly<Record<string, LaterFeature>> = {
  compose: refused('composing a response'),
};

/** Settings of upstreams. */
export const laterUpstreamSettings: Readonly<Record<string, LaterFeature>> = {
  retry: ignored('retrying'),
  breaker: ignored('the circuit breaker'),
  balance: ignored('balancing other than round-robin'),
};

/** Values that need nothing new: said, they are already so. */
export function isAvailable(setting: string, value: unknown): boolean {
  if (value === undefined || value === false) return true;
  if (setting === 'balance') return value === 'round-robin';
  return false;
}

/** `auth: public`: the caller need not say who it is. */
export function isPublic(auth: unknown): boolean {
  return auth === 'public' || (Array.isArray(auth) && auth.length === 1 && auth[0] === 'public');
}
