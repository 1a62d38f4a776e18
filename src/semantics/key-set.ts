import type { CompactJws } from './compact-jws.ts';
import type { VerificationKey } from './verification-key.ts';

/** Signatures that are tried for one token that names no key: more are work that anybody could cause. */
const MAX_TRIES = 16;

/** `unknown-key`: none of that id, or none that it could have been signed with. */
export type SignatureFinding = 'good' | 'bad' | 'unknown-key';

/** Keys that stand for one signer. */
export class KeySet {
  readonly #all: readonly VerificationKey[];
  readonly #unnamed: readonly VerificationKey[];
  readonly #named = new Map<string, VerificationKey[]>();

  constructor(keys: readonly VerificationKey[]) {
    this.#all = keys;
    this.#unnamed = keys.filter(({ kid }) => kid === null);
    for (const key of keys) {
      if (key.kid === null) continue;
      const others = this.#named.get(key.kid);
      if (others === undefined) this.#named.set(key.kid, [key]);
      else others.push(key);
    }
  }

  /** A token that names a key is for keys of that name, or for those without any; one that names none is for all. */
  verify({ kid, algorithm, input, signature }: CompactJws): SignatureFinding {
    const named = kid === null ? undefined : this.#named.get(kid);
    const candidates = named ?? (kid === null ? this.#all : this.#unnamed);
    let tries = 0;
    for (let i = 0; i < candidates.length && tries < MAX_TRIES; i++) {
      const key = candidates[i] as VerificationKey;
      if (!key.allows(algorithm)) continue;
      if (key.verifies(algorithm, input, signature)) return 'good';
      tries++;
    }
    return named === undefined ? 'unknown-key' : 'bad';
  }
}
