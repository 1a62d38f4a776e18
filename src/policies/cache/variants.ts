import type { HeaderBlock } from '../../base/headers.ts';
import type { ResponseStore, StoredResponse } from '../../plan/response-store.ts';
import { selectingFields, type VaryRules, variantText } from '../../semantics/caching/vary.ts';
import { decodeHead, encodeVariants, type StoredHead, type StoredHeads } from './stored-head.ts';

/** More selecting fields than a service has a use for: only what it said last counts then. */
const MAX_SELECTING = 20;
/** Another thread writes what is waited for in this very moment. */
const MAX_LOOKS = 1000;

/** What is asked for, apart from conditions and the like. */
export interface Wanted {
  readonly primary: string;
  readonly parts: string;
  readonly headers: HeaderBlock;
}

/** What was found, and under which key. One object for many look-ups. */
export class Found {
  /** To be released by whoever takes it. */
  stored: StoredResponse | null = null;
  head: StoredHead | null = null;
  /** Null: no variants are known of. */
  variants: StoredHead | null = null;
  /** Under which it is, or would be; empty: variants have to be known of first. */
  key = '';
}

/**
 * The keys of responses. One that is the same for everybody is under the primary key itself. As soon as there are
 * several, what is under the primary key says by what they are told apart, and theirs begin with it.
 */
export class Variants {
  readonly #store: ResponseStore;
  readonly #heads: StoredHeads;
  readonly #rules: VaryRules;

  constructor(store: ResponseStore, heads: StoredHeads, rules: VaryRules) {
    this.#store = store;
    this.#heads = heads;
    this.#rules = rules;
  }

  find({ primary, parts, headers }: Wanted, found: Found): void {
    found.stored = null;
    found.head = null;
    found.variants = null;
    found.key = parts === '' ? primary : '';
    let stored = this.#store.find(primary);
    if (stored === null) return;
    let head = this.#heads.of(stored.meta, stored.body.length);
    if (head !== null && head.kind === 'variants') {
      stored.release();
      found.variants = head;
      found.key = this.#key(primary, parts, headers, head.generation, head.selecting);
      stored = this.#store.find(found.key);
      if (stored === null) return;
      head = this.#heads.of(stored.meta, stored.body.length);
    } else if (parts !== '') {
      // It was stored by a route that tells nothing apart.
      head = null;
    }
    if (head === null || head.kind !== 'response') {
      stored.release();
      return;
    }
    found.stored = stored;
    found.head = head;
  }

  /** The key of what is wanted as of now; empty: see `Found.key`. */
  keyOf(wanted: Wanted): string {
    const variants = this.#known(wanted.primary);
    if (variants === null) return wanted.parts === '' ? wanted.primary : '';
    return this.#variant(wanted, variants.generation, variants.policy.vary);
  }

  /**
   * Makes known that there are several variants, before the first of them is fetched: a change of the resource meanwhile
   * then takes effect. Null: it did not work out.
   */
  begin(primary: string, vary: string): StoredHead | null {
    const known = this.#known(primary);
    if (known !== null) return known;
    const fill = this.#store.begin(lockOf(primary));
    if (!fill.leads) return this.#await(primary);
    const made = this.#known(primary);
    if (made !== null) {
      fill.abandon();
      return made;
    }
    const meta = encodeVariants(vary, Date.now());
    if (meta === null || !fill.open(primary, meta, [], 0)) {
      fill.abandon();
      return null;
    }
    fill.commit();
    return decodeHead(meta, 0);
  }

  /**
   * The key under which a response is stored that varies by `vary`. `before`: what was known when it was asked for. Null:
   * it cannot be stored.
   */
  place(wanted: Wanted, before: StoredHead | null, vary: string): string | null {
    const { primary, parts } = wanted;
    const now = this.#known(primary);
    if (before === null) {
      if (now === null && vary === '' && parts === '') return primary;
      const variants = now ?? this.begin(primary, vary);
      return variants === null ? null : this.#extend(wanted, variants, vary);
    }
    // The resource was changed since: what comes is of before, and nobody is to find it.
    if (now === null || now.generation !== before.generation) {
      return this.#variant(wanted, before.generation, union(before.policy.vary, vary));
    }
    return this.#extend(wanted, now, vary);
  }

  /** The key on which machines agree: without what each has of its own. */
  sharedKey({ primary, parts, headers }: Wanted, vary: string): string {
    const base = parts === '' ? primary : `${primary}\n${parts}`;
    return vary === '' ? base : `${base}\n${variantText(selectingFields(vary), headers, this.#rules)}`;
  }

  /** By all that any of the variants varies by: which keeps them apart, whatever each of them says. */
  #extend(wanted: Wanted, variants: StoredHead, vary: string): string | null {
    const all = union(variants.policy.vary, vary);
    if (all !== variants.policy.vary) {
      const fill = this.#store.begin(lockOf(wanted.primary));
      if (!fill.leads) return null;
      const meta = encodeVariants(all, Date.now(), variants.generation);
      if (meta === null || !fill.open(wanted.primary, meta, [], 0)) {
        fill.abandon();
        return null;
      }
      fill.commit();
    }
    return this.#variant(wanted, variants.generation, all);
  }

  #variant({ primary, parts, headers }: Wanted, generation: string, vary: string): string {
    return this.#key(primary, parts, headers, generation, selectingFields(vary));
  }

  #key(
    primary: string,
    parts: string,
    headers: HeaderBlock,
    generation: string,
    selecting: StoredHead['selecting'],
  ): string {
    return `${primary}\n${generation}\n${parts}${variantText(selecting, headers, this.#rules)}`;
  }

  #known(primary: string): StoredHead | null {
    const stored = this.#store.find(primary);
    if (stored === null) return null;
    const head = this.#heads.of(stored.meta, stored.body.length);
    stored.release();
    return head?.kind === 'variants' ? head : null;
  }

  #await(primary: string): StoredHead | null {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const made = this.#known(primary);
      if (made !== null) return made;
    }
    return null;
  }
}

function lockOf(primary: string): string {
  return `${primary}\n`;
}

function union(one: string, other: string): string {
  if (one === other || other === '') return one;
  if (one === '') return other;
  const names = new Set([...one.split(','), ...other.split(',')]);
  return names.size > MAX_SELECTING ? other : [...names].sort().join();
}
