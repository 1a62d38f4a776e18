/**
 * What the configuration may say and the gateway cannot do yet. `check` warns about each place; a route that needs it
 * answers 501, because it would run unprotected or answer wrongly without it. Whoever builds a feature deletes its row.
 */
export interface LaterFeature {
  /** In words, for the warning: `<what> is not available yet`. */
  readonly what: string;
}

function refused(what: string): LaterFeature {
  return { what };
}

/** Settings of routes, presets, gateways and defaults; a dot leads into the options of one. */
export const laterSettings: Readonly<Record<string, LaterFeature>> = {
  'response.select': refused('selecting fields of a response'),
};

/** Kinds of targets. */
export const laterTargets: Readonly<Record<string, LaterFeature>> = {
  compose: refused('composing a response'),
};

/** Values that need nothing new: said, they are already so. */
export function isAvailable(value: unknown): boolean {
  return value === undefined || value === false;
}

/** `auth: public`: the caller need not say who it is. */
export function isPublic(auth: unknown): boolean {
  return auth === 'public' || (Array.isArray(auth) && auth.length === 1 && auth[0] === 'public');
}
