/**
 * Where a claim is. `sub` is a name; `realm_access.roles` are steps, unless the token has a claim of that whole name, as
 * `https://shop.example/roles` is; `/resource_access/my.app/roles` is a JSON Pointer (RFC 6901) for names with dots.
 */
export interface ClaimPath {
  /** Null for a pointer. */
  readonly whole: string | null;
  readonly steps: readonly string[];
}

export function parseClaimPath(text: string): ClaimPath {
  if (!text.startsWith('/')) return { whole: text, steps: text.split('.') };
  const steps = text.slice(1).split('/');
  return { whole: null, steps: steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~')) };
}

/** Undefined: there is no such claim. Own members only: a claim is never `constructor`. */
export function readClaim(claims: Readonly<Record<string, unknown>>, { whole, steps }: ClaimPath): unknown {
  if (whole !== null && Object.hasOwn(claims, whole)) return claims[whole];
  let value: unknown = claims;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as string;
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step)) return;
    value = (value as Readonly<Record<string, unknown>>)[step];
  }
  return value;
}

/** The first of them that names somebody: text, or a number that every reader writes alike. */
export function readName(claims: Readonly<Record<string, unknown>>, paths: readonly ClaimPath[]): string | null {
  for (let i = 0; i < paths.length; i++) {
    const value = readClaim(claims, paths[i] as ClaimPath);
    if (typeof value === 'string' && value !== '') return value;
    if (Number.isSafeInteger(value)) return String(value);
  }
  return null;
}

const none: readonly string[] = Object.freeze([]);

/**
 * All texts at these paths, each once. `spaced`: one text lists several, as `scope` does (RFC 8693, 4.2). What is neither
 * text nor a list of texts gives nothing: a claim that nobody understands must not open a door.
 */
export function readNames(
  claims: Readonly<Record<string, unknown>>,
  paths: readonly ClaimPath[],
  spaced: boolean,
): readonly string[] {
  let names: Set<string> | null = null;
  for (let i = 0; i < paths.length; i++) {
    const value = readClaim(claims, paths[i] as ClaimPath);
    const items: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? [value] : none;
    for (let j = 0; j < items.length; j++) {
      const item = items[j];
      if (typeof item !== 'string') continue;
      const parts = spaced ? item.split(' ') : [item];
      for (let k = 0; k < parts.length; k++) {
        if (parts[k] === '') continue;
        names ??= new Set();
        names.add(parts[k] as string);
      }
    }
  }
  return names === null ? none : [...names];
}
