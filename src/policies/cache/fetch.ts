import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { Deadline } from '../../base/timers.ts';
import type { CallRunner, Chunk, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { Fill, StoredResponse } from '../../plan/response-store.ts';
import type { ForwardReason } from '../../semantics/caching/cache-status.ts';
import { mayServeOnError, ttlSeconds } from '../../semantics/caching/freshness.ts';
import type { Refusal, StoredPolicy } from '../../semantics/caching/policy.ts';
import { judge } from '../../semantics/caching/storability.ts';
import { storedFields } from '../../semantics/caching/stored-fields.ts';
import { hasValidator, isFreshenedBy, mergedFields } from '../../semantics/caching/validation.ts';
import type { Asked, Workings } from './asked.ts';
import { HeldClient } from './held-client.ts';
import { goesOn } from './outcomes.ts';
import { answerFor, answerHead, sendStored } from './stored-answer.ts';
import { decodeHead, encodeResponse, type StoredHead } from './stored-head.ts';

/** How long a response is still fetched that its client did not wait for, or that nobody waited for from the beginning. */
const BACKGROUND_MS = 30_000;

/** A stored response that is asked about, or that stands in where the service fails. */
export interface Before {
  readonly key: string;
  readonly head: StoredHead;
  /** In the store. */
  readonly version: number;
  /** Held until the fetch is over; null for a refresh, which needs no more than the head. */
  readonly stored: StoredResponse | null;
}

/**
 * One request to the service for a key, on behalf of all who ask for it meanwhile: the sink of its response, which goes
 * to the client and into the store as it arrives.
 */
export class Fetch extends Deadline implements Sink, CallRunner {
  readonly #workings: Workings;
  readonly #asked: Asked;
  /** The key that others follow. */
  readonly #key: string;
  /** What was known when it began. */
  readonly #variants: StoredHead | null;
  readonly #why: ForwardReason;
  #before: Before | null;
  /** Null: what comes is not stored. */
  #fill: Fill | null;
  /** Null: nobody waits here. */
  #client: Sink | null;
  /** The client, once it has its head. */
  #held: HeldClient | null = null;
  #call: UpstreamCall;
  #validates = false;
  #startedAt = 0;
  /** What was known of purges then. */
  #since = '';
  #hasHead = false;
  /** Where the response goes in the store, and what decides about it. */
  #storedKey = '';
  #policy: StoredPolicy | null = null;
  /** Bytes of its body that may still come. */
  #room = 0;
  /** After a 304, what the client gets. */
  #freshened: StoredHead | null = null;
  /** The service has spoken of something else: it is asked again, for the whole. */
  #repeats = false;
  #isPaused = false;
  #isOver = false;

  constructor(
    workings: Workings,
    asked: Asked,
    key: string,
    variants: StoredHead | null,
    why: ForwardReason,
    before: Before | null,
    fill: Fill,
  ) {
    super();
    this.#workings = workings;
    this.#asked = asked;
    this.#key = key;
    this.#variants = variants;
    this.#why = why;
    this.#before = before;
    this.#fill = fill;
    this.#client = asked.sink;
    this.#call = asked.call;
  }

  run(): void {
    const before = this.#before;
    const validates = before !== null && hasValidator(before.head.policy) ? before.head.policy : null;
    if (this.#client === null) {
      this.start(BACKGROUND_MS);
    } else {
      this.#asked.call.runner = this;
      this.#workings.outcomes.went(this.#asked.call, { ...goesOn, why: this.#why });
    }
    this.#ask(validates);
  }

  /** It is not needed: the response was found elsewhere. */
  release(): void {
    this.#isOver = true;
    this.#letGoBefore();
  }

  get takesFramed(): boolean {
    return this.#fill === null && this.#client !== null && this.#held?.isDirect === true && this.#client.takesFramed;
  }

  informational(head: ResponseHead): void {
    if (!this.#isOver) this.#client?.informational(head);
  }

  head(head: ResponseHead): void {
    if (this.#isOver) return;
    this.#hasHead = true;
    const now = Date.now();
    const before = this.#before;
    if (before !== null && this.#validates && head.status === 304) {
      this.#notModified(before, head.headers, now);
      return;
    }
    if (before !== null && head.status >= 500 && this.#mayServe(before, now)) {
      this.#failed(null, now);
      this.#call.cancel();
      this.#serve(before, before.head, head.status, now);
      return;
    }
    const judged = this.#judge(head.status, head.headers, now);
    if (typeof judged === 'string') this.#refuse(head, judged, now);
    else this.#store(head, judged, now);
  }

  data(chunk: Chunk): boolean {
    if (this.#isOver || this.#freshened !== null || this.#repeats) return true;
    if (this.#fill !== null) this.#append(this.#fill, chunk);
    const held = this.#held;
    if (held === null) {
      if (this.#fill === null) this.#cancel();
      return true;
    }
    const goesOn = held.data(chunk, this.#fill !== null);
    this.#isPaused = !goesOn;
    // Nobody is to wait for this client: who does goes on alone.
    if (!goesOn) this.#giveUp();
    return goesOn;
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#isOver) return;
    if (this.#repeats) {
      this.#repeats = false;
      this.#hasHead = false;
      this.#letGoBefore();
      this.#ask(null);
      return;
    }
    const before = this.#before;
    if (this.#freshened !== null && before !== null) {
      this.#serve(before, this.#freshened, 304, Date.now());
      return;
    }
    this.#finish();
    if (this.#fill !== null && this.#policy !== null) {
      this.#fill.commit();
      this.#workings.share(this.#asked, this.#storedKey, this.#policy, this.#since);
    }
    this.#held?.end(trailers);
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    // Nobody asked for one.
    tunnel.destroy();
    this.fail(errors.upstreamMalformed);
  }

  fail(error: GatewayError): void {
    if (this.#isOver) return;
    const before = this.#before;
    const now = Date.now();
    if (this.#hasHead && this.#freshened === null) {
      this.#finish();
      this.#failed(error, now);
      this.#held?.drop();
      this.#client?.fail(error);
      return;
    }
    if (before !== null && this.#freshened !== null) {
      this.#serve(before, this.#freshened, 304, now);
      return;
    }
    this.#failed(error, now);
    if (before !== null && this.#mayServe(before, now)) {
      this.#serve(before, before.head, 0, now);
      return;
    }
    this.#finish();
    if (this.#client === null) return;
    this.#workings.outcomes.count(this.#asked.call, 'miss');
    this.#client.fail(error);
  }

  resumeCall(): void {
    if (this.#held?.resume() !== true || !this.#isPaused) return;
    this.#isPaused = false;
    this.#call.resume();
  }

  /** The client went away. Others may wait, and the next one will ask for the same. */
  cancelCall(): void {
    const { call } = this.#asked;
    call.runner = null;
    this.#client = null;
    this.#held?.drop();
    this.#held = null;
    if (this.#isOver) return;
    if (this.#fill === null) {
      this.#cancel();
      return;
    }
    // Its request goes on being read from.
    if (call.exchange !== null) call.exchange.retained = true;
    this.start(BACKGROUND_MS);
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#call.resume();
  }

  /** Nobody waits here, and it takes too long. */
  expired(): void {
    if (!this.#isOver) this.#cancel();
  }

  #ask(validates: StoredPolicy | null): void {
    const { service, shared, next } = this.#workings;
    const { call, target } = this.#asked;
    this.#validates = validates !== null;
    this.#startedAt = Date.now();
    this.#since = shared.known;
    this.#call = service.of(call, target, this.#asked.sink !== null, validates);
    next(this.#call, this);
  }

  #judge(status: number, headers: HeaderBlock, now: number): StoredPolicy | Refusal {
    const { directives, isTold: isAuthorized, mayStore, rules } = this.#asked;
    if (!mayStore) return 'request-no-store';
    const request = { method: 'GET', directives, isAuthorized };
    return judge(request, { status, headers, requestTime: this.#startedAt, responseTime: now }, rules);
  }

  #store(head: ResponseHead, policy: StoredPolicy, now: number): void {
    const { variants, tags, maxEntry, unstorable } = this.#workings;
    const asked = this.#asked;
    const meta = encodeResponse(policy, storedFields(head.headers, asked.rules, now), now - this.#startedAt);
    const length = head.framing === 'none' ? 0 : head.contentLength;
    const fill = this.#fill;
    const key = meta === null || fill === null ? null : variants.place(asked, this.#variants, policy.vary);
    if (meta === null || key === null || meta.length + Math.max(0, length) > maxEntry) {
      this.#giveUp();
    } else if (fill?.open(key, meta, tags.of(head.headers), length)) {
      this.#storedKey = key;
      this.#policy = policy;
      this.#room = maxEntry - meta.length;
      unstorable.delete(asked.primary);
    } else {
      this.#fill = null;
      unstorable.add(asked.primary, now);
    }
    this.#letGoBefore();
    const client = this.#client;
    if (client === null) {
      if (this.#fill === null) this.#cancel();
      return;
    }
    this.#tell(head.status, this.#fill !== null, ttlSeconds(policy, now), '');
    const stored = meta === null ? null : decodeHead(meta, length);
    if (stored === null) {
      this.#begin(client, head);
      return;
    }
    const answer = answerFor(asked.call, stored, length, now);
    if (answer.kind === 'whole' || answer.kind === 'forward') {
      this.#begin(client, head);
    } else if (answer.kind === 'part') {
      this.#held = new HeldClient(client, answer.start, answer.end);
      client.head(answerHead(answer, stored, length, now));
    } else {
      // All that this client gets; the rest is for the others.
      this.#client = null;
      asked.call.runner = null;
      if (asked.call.exchange !== null) asked.call.exchange.retained = true;
      this.start(BACKGROUND_MS);
      client.head(answerHead(answer, stored, length, now));
      client.end(null);
    }
  }

  #append(fill: Fill, { bytes, start, end }: Chunk): void {
    this.#room -= end - start;
    if (this.#room < 0) this.#giveUp();
    else if (!fill.append(bytes, start, end)) this.#fill = null;
    if (this.#fill === null) this.#workings.unstorable.add(this.#asked.primary, Date.now());
  }

  #refuse(head: ResponseHead, refusal: Refusal, now: number): void {
    const { store, unstorable } = this.#workings;
    const before = this.#before;
    // What is stored is no longer what the service has.
    if (before !== null && (head.status < 400 || head.status === 404 || head.status === 410)) store.remove(before.key);
    this.#giveUp();
    unstorable.add(this.#asked.primary, now);
    this.#letGoBefore();
    const client = this.#client;
    if (client === null) {
      this.#cancel();
      return;
    }
    this.#tell(head.status, false, Number.NaN, refusal);
    this.#begin(client, head);
  }

  #notModified(before: Before, received: HeaderBlock, now: number): void {
    const { store } = this.#workings;
    if (!isFreshenedBy(before.head.policy, received)) {
      this.#repeats = true;
      return;
    }
    const fields = mergedFields(before.head.fields, received, now);
    const judged = this.#judge(before.head.policy.status, fields, now);
    const policy = typeof judged === 'string' ? { ...before.head.policy, responseTime: now, initialAge: 0 } : judged;
    const kept = storedFields(fields, this.#asked.rules, now);
    const meta = encodeResponse(policy, kept, now - this.#startedAt);
    // One that varies otherwise from now on has another key.
    const isSame = typeof judged !== 'string' && judged.vary === before.head.policy.vary;
    if (!isSame || meta === null) store.remove(before.key);
    else if (store.refresh(before.key, meta, before.version))
      this.#workings.share(this.#asked, before.key, policy, this.#since);
    const bodyLength = before.stored === null ? -1 : before.stored.body.length;
    this.#freshened = (meta === null ? null : decodeHead(meta, bodyLength)) ?? before.head;
    // Those who wait look again, and find it.
    this.#giveUp();
  }

  /** From what is stored: it is still good, or better than a failure. */
  #serve(before: Before, head: StoredHead, status: number, now: number): void {
    const client = this.#client;
    const { call } = this.#asked;
    const { outcomes } = this.#workings;
    this.#client = null;
    this.#before = null;
    this.#finish();
    this.#giveUp();
    if (client === null || before.stored === null) {
      before.stored?.release();
      return;
    }
    const isStale = head === before.head;
    call.servedStale = isStale;
    const ttl = ttlSeconds(head.policy, now);
    const detail = isStale ? 'stale-if-error' : '';
    outcomes.count(call, isStale ? 'stale' : 'revalidated');
    outcomes.went(call, { why: this.#why, status, isStored: !isStale, isCollapsed: false, ttl, detail });
    sendStored(call, client, before.stored, head, now);
  }

  #begin(client: Sink, head: ResponseHead): void {
    this.#held = new HeldClient(client);
    client.head(head);
  }

  #tell(status: number, isStored: boolean, ttl: number, detail: string): void {
    const { outcomes } = this.#workings;
    const { call } = this.#asked;
    outcomes.count(call, 'miss');
    outcomes.went(call, { why: this.#why, status, isStored, isCollapsed: false, ttl, detail });
  }

  #mayServe({ head, stored }: Before, now: number): boolean {
    const { directives, call } = this.#asked;
    return stored !== null && mayServeOnError(head.policy, directives, now, call.acceptsStale);
  }

  /** Before those who wait are let go, so that they hear of it. */
  #failed(error: GatewayError | null, now: number): void {
    this.#workings.failures.note(this.#key, error, now);
    this.#giveUp();
  }

  /** Nothing will be stored. */
  #giveUp(): void {
    this.#fill?.abandon();
    this.#fill = null;
  }

  #letGoBefore(): void {
    this.#before?.stored?.release();
    this.#before = null;
  }

  #cancel(): void {
    this.#finish();
    this.#giveUp();
    this.#call.cancel();
  }

  /** Nothing more comes from the service. */
  #finish(): void {
    this.#isOver = true;
    this.clear();
    this.#letGoBefore();
    // A slow client may still have to take what is held for it.
    if (this.#held === null) this.#asked.call.runner = null;
  }
}
