import { errors } from '../../base/gateway-error.ts';
import { type FieldName, fieldName, HeaderBlock } from '../../base/headers.ts';
import { type CallRunner, Chunk, ResponseHead, type Sink, type UpstreamCall } from '../../plan/call.ts';
import type { Condition } from '../../plan/condition.ts';
import type { ResponsePurge, ResponseStore } from '../../plan/response-store.ts';
import type { SharedResponses } from '../../plan/shared-responses.ts';
import type { CacheKey } from './cache-key.ts';
import { tagsIn } from './tags.ts';

const softPurge = fieldName('soft-purge');

interface PurgeOptions {
  /** All must hold. */
  readonly when: readonly Condition[];
  readonly soft: boolean;
  /** Fields of the request in which tags stand. */
  readonly tagFields: readonly FieldName[];
}

/**
 * Requests with the method `PURGE`: what is stored of the URL is gone, with all its variants, or what has one of the
 * tags in `Cache-Tag`. A path that ends in `/*` means everything below it.
 */
export class PurgeRequests {
  readonly #options: PurgeOptions;
  readonly #key: CacheKey;
  readonly #store: ResponseStore;
  readonly #shared: SharedResponses;

  constructor(options: PurgeOptions, key: CacheKey, store: ResponseStore, shared: SharedResponses) {
    this.#options = options;
    this.#key = key;
    this.#store = store;
    this.#shared = shared;
  }

  answer(call: UpstreamCall, sink: Sink): void {
    const { exchange } = call;
    if (exchange === null || !this.#options.when.every((condition) => condition.holds(exchange))) {
      sink.fail(errors.notAuthorized);
      return;
    }
    exchange.retained = true;
    const waiting = new PurgeAnswer(call, sink);
    Promise.all(this.#purgesOf(call).map((purge) => this.#purge(purge))).then(
      (counts) => waiting.done(counts.reduce((sum, count) => sum + count, 0)),
      () => waiting.failed(),
    );
  }

  async #purge(purge: ResponsePurge): Promise<number> {
    const count = await this.#store.purge(purge);
    this.#shared.announce(purge);
    return count;
  }

  #purgesOf(call: UpstreamCall): ResponsePurge[] {
    const { headers } = call;
    const soft = this.#options.soft || headers.get(softPurge) === '1';
    const tags = this.#options.tagFields.flatMap((field) => tagsIn(headers.getAll(field) ?? ''));
    if (tags.length > 0) return [...new Set(tags)].map((value): ResponsePurge => ({ by: 'tag', value, soft }));
    const target = this.#key.target(call.target);
    const key = this.#key.primary(call, target);
    const path = target.split('?', 1)[0] ?? '';
    if (path.endsWith('/*')) {
      return [{ by: 'prefix', value: key.slice(0, key.indexOf(path) + path.length - 1), soft }];
    }
    // Its variants have keys that begin with it: softly purged they have to be found, else it is enough that it is gone.
    return [soft ? { by: 'prefix', value: key, soft } : { by: 'key', value: key, soft }];
  }
}

class PurgeAnswer implements CallRunner {
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  #isWanted = true;

  constructor(call: UpstreamCall, sink: Sink) {
    this.#call = call;
    this.#sink = sink;
    call.runner = this;
  }

  resumeCall(): void {}

  cancelCall(): void {
    this.#isWanted = false;
  }

  done(purged: number): void {
    if (!this.#isWanted) return;
    this.#call.runner = null;
    const body = Buffer.from(`${JSON.stringify({ purged })}\n`);
    const headers = HeaderBlock.of([
      ['content-type', 'application/json'],
      ['cache-control', 'no-store'],
      ['content-length', String(body.length)],
    ]);
    this.#sink.head(new ResponseHead(200, headers, 'length', body.length));
    this.#sink.data(Chunk.whole(body, true));
    this.#sink.end(null);
  }

  failed(): void {
    if (!this.#isWanted) return;
    this.#call.runner = null;
    this.#sink.fail(errors.internal);
  }
}
