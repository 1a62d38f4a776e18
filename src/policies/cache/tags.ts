import { type FieldName, fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { CacheOptions } from './options.ts';

/** More, or longer ones, are not of this world. */
const MAX_TAGS = 64;
const MAX_LENGTH = 256;

/** The tags by which a response can be purged. */
export class TagReader {
  readonly #from: readonly FieldName[];
  readonly #always: readonly string[];

  constructor({ tags }: CacheOptions) {
    this.#from = tags.from.map(fieldName);
    this.#always = tags.add;
  }

  of(headers: HeaderBlock): readonly string[] {
    let found: string[] | null = null;
    for (const field of this.#from) {
      const list = headers.getAll(field);
      if (list === undefined) continue;
      found ??= [...this.#always];
      for (const tag of tagsIn(list)) if (!found.includes(tag) && found.length < MAX_TAGS) found.push(tag);
    }
    return found ?? this.#always;
  }
}

/** `Cache-Tag` has commas between tags, `Surrogate-Key` spaces. */
export function tagsIn(list: string): string[] {
  return list.split(/[\s,]+/).filter((tag) => tag !== '' && tag.length <= MAX_LENGTH);
}
