import { type FieldName, fieldName } from '../base/headers.ts';
import type { Dispatch, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { hashText, mix } from '../runtime/balance/hash-key.ts';
import { subscriberOf } from '../semantics/cidr.ts';
import { cookieField, cookieValue } from '../semantics/cookie.ts';
import type { RequestPlace, SplitDocument } from './plan-document.ts';

/** One side of a split. */
export interface Side {
  /** Of the upstream: by it a side is drawn and asked for, whatever its place in the list. */
  readonly name: string;
  readonly weight: number;
  readonly dispatch: Dispatch;
}

const RANGE = 0x1_0000_0000;
/** Lots are drawn apart from those of endpoints, which the same key may choose behind a side. */
const SALT = 'split ';

/** Sends calls to sides by their weights; a side without weight gets none, however it is asked for. */
export function split(sides: readonly Side[], { by, force }: SplitDocument): Dispatch {
  const open = sides.filter(({ weight }) => weight > 0);
  const choose = by === null ? anySide(open) : pinnedSide(open, by);
  if (force === null) {
    return function split(call, sink) {
      choose(call).dispatch(call, sink);
    };
  }
  const wish = reader(force);
  return function split(call, sink) {
    const name = wish(call);
    const side = name === undefined ? undefined : open.find((each) => each.name === name);
    (side ?? choose(call)).dispatch(call, sink);
  };
}

type Choose = (call: UpstreamCall) => Side;

/** Anew for each call. */
function anySide(sides: readonly Side[]): Choose {
  const bounds: number[] = [];
  let total = 0;
  for (const { weight } of sides) {
    total += weight;
    bounds.push(total);
  }
  return () => {
    const point = Math.random() * total;
    let i = 0;
    while (point >= (bounds[i] as number)) i++;
    return sides[i] as Side;
  };
}

/**
 * The same for the same caller: each side draws a lot for its key, exponentially distributed by weight, and the lowest
 * wins. Over many keys each side has its share, on every machine alike; and when weights change, a key moves only to a
 * side that has gained, or from one that has lost.
 */
function pinnedSide(sides: readonly Side[], by: NonNullable<SplitDocument['by']>): Choose {
  const seeds = sides.map(({ name }) => hashText(SALT + name));
  const weights = sides.map(({ weight }) => weight);
  const keyOf = typeof by === 'string' ? callerReader(by) : reader(by);
  return (call) => {
    const { exchange } = call;
    const hash = hashText(keyOf(call) ?? (exchange === null ? '' : subscriberOf(exchange.clientAddress)));
    let winner = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < seeds.length; i++) {
      const lot = -Math.log((mix(hash ^ (seeds[i] as number)) + 1) / (RANGE + 1)) / (weights[i] as number);
      if (lot >= least) continue;
      least = lot;
      winner = i;
    }
    return sides[winner] as Side;
  };
}

function callerReader(by: 'address' | 'identity' | 'consumer'): (call: UpstreamCall) => string | undefined {
  const read = (exchange: Exchange): string | undefined => {
    const { identity } = exchange;
    if (by === 'address' || identity === null) return undefined;
    return by === 'consumer' ? (identity.consumer ?? undefined) : `${identity.method}\n${identity.id}`;
  };
  return ({ exchange }) => (exchange === null ? undefined : read(exchange));
}

function reader(place: RequestPlace): (call: UpstreamCall) => string | undefined {
  if ('header' in place) {
    const field: FieldName = fieldName(place.header);
    return ({ headers }) => headers.getAll(field) || undefined;
  }
  return ({ headers }) => {
    const field = cookieField(headers);
    return field === undefined ? undefined : cookieValue(field, place.cookie) || undefined;
  };
}

/** In words, for an explanation. */
export function describeSplit({ by, force }: SplitDocument): string {
  const place = (each: RequestPlace): string =>
    'header' in each ? `the header \`${each.header}\`` : `the cookie \`${each.cookie}\``;
  const pinned = by === null ? '' : `, pinned by ${typeof by === 'string' ? by : place(by)}`;
  return `${pinned}${force === null ? '' : `, or as ${place(force)} says`}`;
}
