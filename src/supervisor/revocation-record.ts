import { z } from 'zod';
import { duration } from '../plan/fields.ts';
import { type RevocationKind, revocationKinds } from '../plan/identifier.ts';
import { revocationKey } from '../policies/auth/revocations.ts';
import { keyId } from '../semantics/api-key.ts';

export const REVOCATIONS_COLLECTION = 'revocations';

/** Something that was withdrawn before its time. */
export interface Revocation {
  readonly kind: RevocationKind;
  readonly id: string;
  /** Seconds since the epoch: what was issued later is good. Null: nothing is. */
  readonly before: number | null;
  /** Milliseconds since the epoch at which it ends; null: never. */
  readonly until: number | null;
  readonly reason: string | null;
  /** Milliseconds since the epoch. */
  readonly revokedAt: number;
}

const LONGEST_MS = 100 * 365 * 24 * 3_600_000;
const CONTROL = /\p{Cc}/u;

function text(longest: number) {
  const printable = z.string().min(1).max(longest);
  return printable.refine((value) => !CONTROL.test(value), { message: 'this has control characters' });
}

const what = {
  kind: z.enum(revocationKinds, `what can be revoked: ${revocationKinds.join(', ')}`),
  /** `jti`, `sub`, id of a key, name of a consumer. */
  id: text(1024),
};

/** Whoever has just found a key in a repository has the key itself: it must not get into the store. */
function withoutSecret<T extends { kind: RevocationKind; id: string }>(request: T): T {
  return request.kind === 'key' ? { ...request, id: keyId(request.id) ?? request.id } : request;
}

/** What operators ask, as JSON. */
const addShape = z.strictObject({
  ...what,
  /** Without it, for good. */
  for: duration({ min: 1000, max: LONGEST_MS }).optional(),
  reason: text(500).optional(),
  /** Of a subject or consumer: credentials that are issued from now on too. */
  block: z.boolean().default(false),
});
export type AddRequest = z.output<typeof addShape>;
export const addRequest = addShape.transform(withoutSecret);

export const undoRequest = z.strictObject(what).transform(withoutSecret);

/** Tokens and keys are one thing each; who is known by many gets new ones after it. */
export function revocationOf({ kind, id, for: length, reason, block }: AddRequest, now: number): Revocation {
  const renewable = kind === 'subject' || kind === 'consumer';
  return {
    kind,
    id,
    before: renewable && !block ? Math.floor(now / 1000) : null,
    until: length === undefined ? null : now + length,
    reason: reason ?? null,
    revokedAt: now,
  };
}

const time = z.number().nullable();
const stored = z.object({ ...what, before: time, until: time, reason: z.string().nullable(), revokedAt: z.number() });

/** What operators get to see. Times are ISO 8601. */
export interface RevocationView {
  readonly kind: RevocationKind;
  readonly id: string;
  readonly revokedAt: string;
  /** What was issued later is good; null: nothing is. */
  readonly issuedBefore: string | null;
  /** Null: for good. */
  readonly until: string | null;
  readonly reason: string | null;
}

export function viewOf({ kind, id, before, until, reason, revokedAt }: Revocation): RevocationView {
  return {
    kind,
    id,
    revokedAt: new Date(revokedAt).toISOString(),
    issuedBefore: before === null ? null : new Date(before * 1000).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
    reason,
  };
}

/** Null: not written by this program. */
export function readRevocation(key: string, value: unknown): Revocation | null {
  const { data } = stored.safeParse(value);
  return data !== undefined && revocationKey(data.kind, data.id) === key ? data : null;
}
