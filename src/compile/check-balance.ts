import type { KeyPath } from '../config/key-path.ts';
import {
  type AffinityOptions,
  type BalanceOptions,
  DEFAULT_PANIC_THRESHOLD,
  type EjectionOptions,
  type Endpoint,
  type HashKey,
} from '../plan/upstream.ts';
import type { CheckContext } from './check-context.ts';
import type { UpstreamObject } from './model/upstream.ts';
import type { BalanceValue, EjectionValue } from './model/upstream-balance.ts';

const MAX_LOAD = 1.25;

type Balanced = Pick<UpstreamObject, 'balance' | 'ejection' | 'affinity' | 'health' | 'discover'>;

export interface Balancing {
  readonly balance: BalanceOptions | null;
  readonly ejection: EjectionOptions | null;
  readonly affinity: AffinityOptions | null;
}

/** How an upstream's calls are spread, with what is said about it in vain. */
export function balancingOf(
  value: Balanced,
  endpoints: readonly Endpoint[],
  path: KeyPath,
  context: CheckContext,
): Balancing {
  const { balance, ejection, affinity, health, discover } = value;
  if (endpoints.length === 1 && discover === undefined) {
    const idle = [
      [ejection !== undefined, 'ejection'],
      [affinity !== undefined, 'affinity'],
      [balance !== undefined && isIdleForOne(balance), 'balance'],
    ] as const;
    for (const [isGiven, key] of idle) {
      if (!isGiven) continue;
      const remedy = 'Remove it, or add a target.';
      context.keyWarning('unused-setting', 'there is only one target for the calls to go to', remedy, [...path, key]);
    }
  }
  if (new Set(endpoints.map(({ priority }) => priority)).size > 1 && health === undefined && ejection === undefined) {
    const remedy = 'Add `health` or `ejection`: without them only a refused connection leads to the next group.';
    context.keyWarning('blind-priority', 'nothing finds out when a group fails', remedy, [...path, 'targets']);
  }
  return {
    balance: balance === undefined ? null : balanceOptions(balance),
    ejection: ejection === undefined ? null : ejectionOptions(ejection, [...path, 'ejection'], context),
    affinity:
      affinity === undefined
        ? null
        : { cookie: affinity.cookie, ttl: affinity.ttl ?? 0, secret: affinity.secret ?? null },
  };
}

/** Two upstreams that bind by one cookie would take it from each other. */
export function checkAffinityCookies(
  upstreams: readonly { readonly name: string; readonly affinity: AffinityOptions | null }[],
  context: CheckContext,
): void {
  const seen = new Map<string, string>();
  for (const { name, affinity } of upstreams) {
    if (affinity === null) continue;
    const before = seen.get(affinity.cookie);
    seen.set(affinity.cookie, before ?? name);
    if (before === undefined) continue;
    const pathOf = (upstream: string): KeyPath => ['upstreams', upstream, 'affinity', 'cookie'];
    const message = `\`${before}\` has a cookie of this name too`;
    const remedy = 'Give them different names: a client may call both.';
    context.error('shared-cookie', message, remedy, pathOf(name), [pathOf(before)]);
  }
}

/** Whether an only target that is not well is asked all the same is up to `panicThreshold`. */
function isIdleForOne(balance: BalanceValue): boolean {
  return typeof balance === 'string' ? balance !== 'round-robin' : balance.panicThreshold > 0;
}

function balanceOptions(value: BalanceValue): BalanceOptions | null {
  const given =
    typeof value === 'string' ? { by: value, slowStart: 0, panicThreshold: DEFAULT_PANIC_THRESHOLD } : value;
  const { by = 'round-robin', slowStart, panicThreshold } = given;
  const hash = 'hash' in given ? given.hash : undefined;
  // What is said and is so anyway leaves nothing in the plan.
  if (hash === undefined && by === 'round-robin' && slowStart === 0 && panicThreshold === DEFAULT_PANIC_THRESHOLD)
    return null;
  return {
    method: hash === undefined ? by : 'hash',
    key: hash === undefined ? null : hashKeyOf(hash),
    maxLoad: ('maxLoad' in given ? given.maxLoad : undefined) ?? MAX_LOAD,
    slowStart,
    panicThreshold,
  };
}

function hashKeyOf(hash: NonNullable<Exclude<BalanceValue, string>['hash']>): HashKey {
  if (typeof hash === 'string') return { kind: hash };
  return 'header' in hash ? { kind: 'header', name: hash.header } : { kind: 'cookie', name: hash.cookie };
}

function ejectionOptions(value: EjectionValue, path: KeyPath, context: CheckContext): EjectionOptions {
  const { failures, successRate, time, maxTime, maxShare } = value;
  if (time > maxTime) {
    context.error('wrong-value', '`time` is more than `maxTime`', 'Raise `maxTime`.', [...path, 'time']);
  }
  const kinds = new Set(value.for);
  const statuses = new Set<number>();
  for (const kind of kinds) {
    if (typeof kind === 'number') statuses.add(kind);
    else if (kind === '4xx') addClass(statuses, 400);
    else if (kind === '5xx') addClass(statuses, 500);
  }
  return {
    failures,
    connect: kinds.has('connect'),
    reset: kinds.has('reset'),
    timeout: kinds.has('timeout'),
    malformed: kinds.has('malformed'),
    statuses: [...statuses],
    successRate: successRate === false ? null : successRate,
    baseTime: time,
    maxTime,
    maxShare,
  };
}

function addClass(statuses: Set<number>, from: number): void {
  for (let status = from; status < from + 100; status++) statuses.add(status);
}
