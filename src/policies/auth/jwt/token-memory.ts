import type { GoodToken } from '../token-claims.ts';

export interface RememberedToken extends GoodToken {
  /** Milliseconds since the epoch. */
  readonly goodUntil: number;
  /** Characters of its text, which its claims are about as large as. */
  readonly size: number;
  /** Of the revocations that it was compared with. */
  revocations: number;
}

interface Generation {
  readonly tokens: Map<string, RememberedToken>;
  characters: number;
}

function generation(): Generation {
  return { tokens: new Map(), characters: 0 };
}

/**
 * Verified tokens by digest, bounded in number and in the size of what they say. Two generations: when the young one is
 * full it becomes the old one, and what the old one had and nobody came back with is gone. That is as good as
 * least-recently-used, and a token in use costs one look-up.
 */
export class TokenMemory {
  readonly #maxTokens: number;
  readonly #maxCharacters: number;
  #young = generation();
  #old = generation();

  constructor(maxTokens: number, maxCharacters: number) {
    this.#maxTokens = Math.ceil(maxTokens / 2);
    this.#maxCharacters = Math.ceil(maxCharacters / 2);
  }

  get size(): number {
    return this.#young.tokens.size + this.#old.tokens.size;
  }

  /** `now`: milliseconds since the epoch. */
  find(digest: string, now: number): RememberedToken | undefined {
    const known = this.#young.tokens.get(digest) ?? this.#revive(digest);
    if (known === undefined || now < known.goodUntil) return known;
    this.forget(digest);
    return undefined;
  }

  remember(digest: string, token: RememberedToken): void {
    if (this.#maxTokens === 0) return;
    const { tokens, characters } = this.#young;
    if (tokens.size >= this.#maxTokens || characters + token.size > this.#maxCharacters) {
      this.#old = this.#young;
      this.#young = generation();
    }
    this.#young.tokens.set(digest, token);
    this.#young.characters += token.size;
  }

  forget(digest: string): void {
    this.#young.tokens.delete(digest);
    this.#old.tokens.delete(digest);
  }

  clear(): void {
    this.#young = generation();
    this.#old = generation();
  }

  #revive(digest: string): RememberedToken | undefined {
    const known = this.#old.tokens.get(digest);
    if (known === undefined) return undefined;
    this.#old.tokens.delete(digest);
    this.remember(digest, known);
    return known;
  }
}
