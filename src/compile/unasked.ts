import type { Identifier } from '../plan/identifier.ts';

/** Stands in for an entry of `auth` where nobody calls: policies are compiled for a check or an explanation. */
export function unasked(entry: string): Identifier {
  return {
    entry,
    place: entry,
    challenge: null,
    identify: () => undefined,
    conceal: null,
    invite: null,
    serve: null,
    close: () => undefined,
  };
}
