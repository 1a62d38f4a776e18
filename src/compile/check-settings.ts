import type { KeyPath } from '../config/key-path.ts';
import { contentOf, TEXT } from '../plan/fixed-answer.ts';
import type { CheckContext } from './check-context.ts';
import type { EffectiveSettings, Loss } from './inherit.ts';
import { valueAt } from './inherit.ts';
import { isAvailable, isPublic, laterSettings } from './later.ts';
import type { ErrorPagesValue } from './model/route.ts';
import type { ErrorPageDocument, ErrorPagesDocument } from './plan-document.ts';

/**
 * Settings whose loss leaves a route less protected than its surroundings. `whole`: only when it is turned off; `parts`:
 * also when a replacement says less than what it replaces.
 */
const PROTECTION: Readonly<Record<string, 'whole' | 'parts'>> = {
  authorize: 'parts',
  concurrency: 'whole',
  cors: 'whole',
  ipRules: 'parts',
  limits: 'parts',
  plan: 'whole',
  securityHeaders: 'whole',
  sizeLimits: 'parts',
};
/** Says how a protection works, not how much of it there is. */
const MANNERS = new Set(['report']);

export function reportLoss(loss: Loss, context: CheckContext): void {
  const { setting, keys, path, from } = loss;
  const kind = PROTECTION[setting];
  if (kind === undefined) return;
  if (keys === null) {
    // Who says that nobody has to identify has said that nobody is asked for more.
    if (setting === 'authorize' && isPublic(valueAt(context.loaded.value, [...path.slice(0, -1), 'auth']))) return;
    const remedy = 'Leave it out to keep the inherited one.';
    context.keyWarning('protection-removed', `this turns \`${setting}\` off`, remedy, path, [from]);
    return;
  }
  const lost = keys.filter((key) => !MANNERS.has(key));
  if (kind === 'whole' || lost.length === 0) return;
  const list = lost.map((key) => `\`${key}\``).join(' and ');
  const turnedOff = lost.every((key) => valueAt(context.loaded.value, [...path, key]) === false);
  if (turnedOff) {
    const at = [...path, lost[0] as string];
    const remedy = 'Leave it out to keep the inherited one.';
    context.keyWarning('protection-removed', `this turns ${list} of \`${setting}\` off`, remedy, at, [from]);
  } else {
    const remedy = `Repeat ${list} here if it should hold.`;
    const message = `this replaces the inherited \`${setting}\` whole, and ${list} with it`;
    context.keyWarning('protection-removed', message, remedy, path, [from]);
  }
}

/** One warning for each place that says what cannot be done yet. */
export function warnLater(settings: Readonly<Record<string, unknown>>, path: KeyPath, context: CheckContext): void {
  for (const [setting, { what }] of Object.entries(laterSettings)) {
    const inside = setting.split('.');
    const value = valueAt(settings, inside);
    if (isAvailable(value)) continue;
    const remedy = 'Routes with it answer 501.';
    context.keyWarning('not-available-yet', `${what} is not available yet`, remedy, [...path, ...inside]);
  }
}

/** Something that a route asks for and that does not exist yet. */
export interface Missing {
  readonly setting: string;
  readonly what: string;
  readonly path: KeyPath;
}

/** Why a route with these settings cannot run yet: nothing runs without the protection that it asks for. */
export function missingFor(settings: EffectiveSettings): Missing[] {
  const missing: Missing[] = [];
  for (const [setting, { what }] of Object.entries(laterSettings)) {
    const [name = '', ...inside] = setting.split('.');
    const given = settings.get(name);
    if (given === undefined || isAvailable(valueAt(given.value, inside))) continue;
    missing.push({ setting, what, path: [...(given.sources[0] ?? []), ...inside] });
  }
  return missing;
}

/** Secure by omission: once there are ways to identify, a route names one or says `public`. */
export function checkAuth(
  settings: EffectiveSettings,
  routePath: KeyPath,
  methods: ReadonlySet<string>,
  context: CheckContext,
): void {
  const auth = settings.get('auth');
  if (auth === undefined) {
    if (methods.size === 0) return;
    const remedy = `Add \`auth: ${[...methods][0]}\`, or \`auth: public\` if nobody has to identify.`;
    context.keyError('auth-missing', 'this route says nothing about who may call it', remedy, routePath);
    return;
  }
  if (isPublic(auth.value)) return;
  const at = auth.sources[0] ?? routePath;
  for (const name of entriesIn(auth.value)) {
    if (name === 'public') {
      const remedy = 'Use `{ methods: …, optional: true }` to let anonymous callers pass.';
      context.error('auth-public', '`public` stands alone', remedy, at);
    } else if (!methods.has(name)) {
      context.unknownName('unknown-auth', 'entry of `auth`', name, methods, at);
    }
  }
}

/** The entries that a route's `auth` names. */
export function entriesIn(auth: unknown): readonly string[] {
  if (auth === undefined) return [];
  return Array.isArray(auth) ? auth : (auth as { methods: string[] }).methods;
}

export function errorPagesOf(value: ErrorPagesValue): ErrorPagesDocument {
  const pages: (readonly [string, ErrorPageDocument])[] = [];
  for (const [key, page] of Object.entries(value)) {
    if (page === false) continue;
    if (typeof page === 'string') pages.push([key, { headers: [['content-type', TEXT]], body: page }]);
    else pages.push([key, { ...contentOf(page) }]);
  }
  return pages;
}
