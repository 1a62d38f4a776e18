import type { ResponseStore } from '../../plan/response-store.ts';
import type { SharedResponses } from '../../plan/shared-responses.ts';
import { remainingLifetime } from '../../semantics/caching/freshness.ts';
import type { Workings } from './asked.ts';
import { encodeVariants, type StoredHeads } from './stored-head.ts';
import type { TagReader } from './tags.ts';
import type { Variants } from './variants.ts';

const nothing = Buffer.alloc(0);

/** Gives other machines what was stored here, once the client has its answer. */
export function sharing(
  store: ResponseStore,
  shared: SharedResponses,
  variants: Variants,
  heads: StoredHeads,
  tags: TagReader,
): Workings['share'] {
  if (!shared.isKept) return () => undefined;
  return (asked, key, { vary }, since) => {
    // What other machines are told has to be of the request, whose fields are gone after this turn.
    const sharedKey = variants.sharedKey(asked, vary);
    const variantsKey = vary === '' ? '' : variants.sharedKey(asked, '');
    setImmediate(() => {
      const stored = store.find(key);
      if (stored === null) return;
      const head = heads.of(stored.meta, stored.body.length);
      const now = Date.now();
      const lifetime = head === null ? 0 : remainingLifetime(head.policy, now);
      if (head !== null && lifetime > 0 && stored.meta.length + stored.body.length <= shared.maxEntry) {
        const meta = Buffer.from(stored.meta);
        const body = Buffer.from(stored.body);
        const common = { purgeKey: asked.primary, tags: tags.of(head.fields), since };
        shared.keep(sharedKey, { ...common, meta, body }, lifetime);
        const listed = variantsKey === '' ? null : encodeVariants(vary, now);
        if (listed !== null) shared.keep(variantsKey, { ...common, tags: [], meta: listed, body: nothing }, lifetime);
      }
      stored.release();
    });
  };
}
