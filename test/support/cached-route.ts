import { errors, type GatewayError } from '../../src/base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../src/base/headers.ts';
import { Chunk, type Dispatch, ResponseHead, type Sink, UpstreamCall } from '../../src/plan/call.ts';
import type { Exchange } from '../../src/plan/exchange.ts';
import type { Hooks } from '../../src/plan/policy.ts';
import { noSharedResponses, type SharedResponses } from '../../src/plan/shared-responses.ts';
import { cache } from '../../src/policies/cache.ts';
import { type ExchangeFacts, exchangeOf } from './exchange.ts';
import { MemoryResponseStore } from './memory-response-store.ts';
import { type Around, compilePolicy } from './policy.ts';

/** A route with a cache, a service that says what a test wants, and clients; no sockets. */
export class CachedRoute {
  readonly store: MemoryResponseStore;
  readonly origin = new TestOrigin();
  readonly hooks: Hooks;
  readonly problems: readonly { code: string }[];
  readonly #dispatch: Dispatch;

  constructor(
    options: unknown = true,
    {
      store = new MemoryResponseStore(),
      shared = noSharedResponses,
      credentials = { headers: [], parameters: [] } as { headers: string[]; parameters: string[] },
      ...around
    }: Around & {
      store?: MemoryResponseStore;
      shared?: SharedResponses;
      credentials?: { headers: string[]; parameters: string[] };
    } = {},
  ) {
    this.store = store;
    const compiled = compilePolicy(cache, options, { parameters: [] }, undefined, credentials, {
      ...around,
      responses: store,
      sharedResponses: shared,
    });
    this.problems = compiled.problems;
    this.hooks = compiled.hooks[0] as Hooks;
    const wrap = this.hooks.dispatch?.wrap;
    if (wrap === undefined) throw new Error('the policy has no layer');
    this.#dispatch = wrap((call, sink) => this.origin.take(call, sink), null);
  }

  /** Asks; what the client gets is in the answer, as far as it has come. */
  ask(target = '/things/1', facts: Omit<ExchangeFacts, 'target'> & { upstreamTarget?: string } = {}): ClientAnswer {
    const exchange = exchangeOf({ target, ...facts });
    exchange.upstreamTarget = facts.upstreamTarget ?? null;
    return this.askAs((call) => new ClientAnswer(exchange, call, this.hooks), exchange);
  }

  /** With a client of its own kind. */
  askAs<C extends Sink>(clientOf: (call: UpstreamCall) => C, exchange: Exchange): C {
    const path = exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`;
    const call = new UpstreamCall(
      exchange.method,
      exchange.upstreamTarget ?? path,
      exchange.host,
      exchange.headers,
      null,
      exchange,
    );
    exchange.call = call;
    const answer = clientOf(call);
    this.#dispatch(call, answer);
    return answer;
  }

  /** Asks, and has the service answer. */
  async fetch(
    respond: OriginResponse,
    target = '/things/1',
    facts: Omit<ExchangeFacts, 'target'> = {},
  ): Promise<ClientAnswer> {
    const before = this.origin.asked.length;
    const answer = this.ask(target, facts);
    const asked = this.origin.asked[before];
    if (asked !== undefined) asked.respond(respond);
    await turns();
    return answer;
  }
}

/** What waits for other threads, or for a later turn, has happened after this. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

export interface OriginResponse {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Without a declared length. */
  readonly chunked?: boolean;
}

export class TestOrigin {
  readonly asked: AskedOrigin[] = [];

  take(call: UpstreamCall, sink: Sink): void {
    this.asked.push(new AskedOrigin(call, sink));
  }

  get last(): AskedOrigin {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error('the service was not asked');
    return last;
  }
}

export class AskedOrigin {
  readonly call: UpstreamCall;
  readonly sink: Sink;
  /** The head as it was when the call came. */
  readonly headers: HeaderBlock;
  isCancelled = false;
  resumed = 0;

  constructor(call: UpstreamCall, sink: Sink) {
    this.call = call;
    this.sink = sink;
    this.headers = call.headers.clone();
    call.runner = {
      resumeCall: () => {
        this.resumed++;
      },
      cancelCall: () => {
        this.isCancelled = true;
      },
    };
  }

  field(name: string): string | null {
    return this.headers.getAll(fieldName(name)) ?? null;
  }

  respond(response: OriginResponse): void {
    const { body = 'a body' } = response;
    this.head(response);
    const { status = 200 } = response;
    if (status !== 304 && status !== 204 && this.call.method !== 'HEAD') this.data(body);
    this.end();
  }

  head({ status = 200, headers = {}, body = 'a body', chunked = false }: OriginResponse): void {
    const block = HeaderBlock.of(Object.entries({ 'content-type': 'text/plain', ...headers }));
    const isEmpty = status === 304 || status === 204 || this.call.method === 'HEAD';
    const length = Buffer.byteLength(body);
    if (!chunked && !isEmpty) block.set(fieldName('content-length'), String(length));
    const framing = isEmpty ? 'none' : chunked ? 'chunked' : 'length';
    if (!this.isCancelled) this.sink.head(new ResponseHead(status, block, framing, framing === 'length' ? length : -1));
  }

  /** What the sink says to it. */
  data(text: string): boolean {
    if (this.isCancelled) return true;
    // As a connection does it: the bytes are others' after the call, unless it was told to wait.
    const bytes = Buffer.from(text);
    const isTaken = this.sink.data(Chunk.whole(bytes, true));
    if (isTaken) bytes.fill(0x21);
    return isTaken;
  }

  end(): void {
    if (!this.isCancelled) this.sink.end(null);
  }

  fail(error: GatewayError = errors.upstreamReset): void {
    if (!this.isCancelled) this.sink.fail(error);
  }
}

export class ClientAnswer implements Sink {
  readonly takesFramed = false;
  readonly exchange: Exchange;
  readonly call: UpstreamCall;
  readonly #hooks: Hooks;
  status = 0;
  fields = new HeaderBlock();
  body = '';
  hasEnded = false;
  error: GatewayError | null = null;
  /** False: it takes nothing more for the moment. */
  takes = true;

  constructor(exchange: Exchange, call: UpstreamCall, hooks: Hooks) {
    this.exchange = exchange;
    this.call = call;
    this.#hooks = hooks;
  }

  get result(): string | null {
    return this.exchange.cache;
  }

  field(name: string): string | null {
    return this.fields.getAll(fieldName(name)) ?? null;
  }

  informational(): void {}

  head(head: ResponseHead): void {
    if (this.status !== 0) throw new Error('a second head');
    this.#hooks.response?.run(this.exchange, head);
    this.status = head.status;
    this.fields = head.headers.clone();
  }

  data(chunk: Chunk): boolean {
    if (this.status === 0 || this.hasEnded) throw new Error('data without a response');
    this.body += chunk.bytes.toString('utf8', chunk.start, chunk.end);
    return this.takes;
  }

  end(): void {
    if (this.status === 0 || this.hasEnded) throw new Error('an end without a response');
    this.hasEnded = true;
  }

  upgrade(): void {
    throw new Error('nobody asked for an upgrade');
  }

  fail(error: GatewayError): void {
    if (this.error !== null || this.hasEnded) throw new Error('a failure after the end');
    this.error = error;
  }
}
