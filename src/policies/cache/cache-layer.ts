import { errors } from '../../base/gateway-error.ts';
import { fieldName } from '../../base/headers.ts';
import { type Dispatch, type Sink, UpstreamCall } from '../../plan/call.ts';
import type { Condition } from '../../plan/condition.ts';
import type { Exchange } from '../../plan/exchange.ts';
import type { Fill, StoredResponse } from '../../plan/response-store.ts';
import type { ForwardReason } from '../../semantics/caching/cache-status.ts';
import { mayServeOnError, remainingLifetime, type Verdict, verdict } from '../../semantics/caching/freshness.ts';
import { isUnsafe } from '../../semantics/caching/invalidation.ts';
import { type RequestDirectives, requestDirectives } from '../../semantics/caching/request-directives.ts';
import { hasValidator } from '../../semantics/caching/validation.ts';
import type { Asked, Workings } from './asked.ts';
import type { CacheKey } from './cache-key.ts';
import { ANSWERED } from './failures.ts';
import { type Before, Fetch } from './fetch.ts';
import { HeadOnly } from './head-only.ts';
import { Invalidation } from './invalidation.ts';
import { goesOn } from './outcomes.ts';
import type { PurgeRequests } from './purge-requests.ts';
import type { RulesFor } from './rules.ts';
import { SharedLookup } from './shared-lookup.ts';
import { sendStored } from './stored-answer.ts';
import type { StoredHead } from './stored-head.ts';
import type { Told } from './told.ts';
import { Found } from './variants.ts';
import { WaitingRequest } from './waiting-request.ts';

const ifMatch = fieldName('if-match');
const ifUnmodifiedSince = fieldName('if-unmodified-since');

/** Longer is nobody sent from one key to the next. */
const MAX_TURNS = 4;
/** For so long a stored response stands in for a service that has just failed, before that is asked again. */
const PAUSE_MS = 1000;
/** An early refresh is worth a thought within so many times the duration of a fetch. */
const EARLY = 10;

export interface LayerOptions {
  readonly answersHead: boolean;
  readonly answersGet: boolean;
  /** Milliseconds; -1: nobody waits for another one's response. */
  readonly coalesceFor: number;
  readonly refreshesEarly: boolean;
  readonly heedsClients: boolean;
}

/** What decides about a request before anything is looked up. */
export interface LayerParts {
  readonly options: LayerOptions;
  readonly key: CacheKey;
  readonly told: Told;
  readonly rules: RulesFor;
  readonly bypass: readonly Condition[];
  readonly noStore: readonly Condition[];
  /** Null: `PURGE` is a method like others. */
  readonly purges: PurgeRequests | null;
}

/** The cache of a route: answers from what is stored, else sees to it that the service is asked once. */
export class CacheLayer {
  readonly dispatch: Dispatch;
  readonly #parts: LayerParts;
  readonly #workings: Workings;
  /** For the one look-up of a hit. */
  readonly #found = new Found();

  constructor(parts: LayerParts, workings: Omit<Workings, 'again' | 'letGo' | 'alone'>) {
    this.#parts = parts;
    this.#workings = {
      ...workings,
      again: (asked) => this.#again(asked),
      letGo: (asked, key) => this.#letGo(asked, key),
      alone: (asked) => this.#alone(asked),
    };
    this.dispatch = (call, sink) => this.#handle(call, sink);
  }

  #handle(call: UpstreamCall, sink: Sink): void {
    const { options, key, purges } = this.#parts;
    const { method, exchange } = call;
    const isGet = method === 'GET' && options.answersGet;
    if (!isGet && !(method === 'HEAD' && options.answersHead)) {
      if (method === 'PURGE' && purges !== null) purges.answer(call, sink);
      else this.#passMethod(call, sink);
      return;
    }
    const target = key.target(call.target);
    const primary = key.primary(call, target);
    const parts = primary === '' || this.#isBypassed(call, exchange) ? null : key.parts(call);
    if (parts === null) {
      this.#bypass(call, sink);
      return;
    }
    const { headers } = call;
    const directives = options.heedsClients ? requestDirectives(headers) : null;
    const now = Date.now();
    const found = this.#found;
    this.#workings.variants.find({ primary, parts, headers }, found);
    const { stored, head } = found;
    if (stored === null || head === null) {
      this.#miss(this.#asked(call, sink, target, primary, parts, directives, now), found, 'miss');
      return;
    }
    const judged = verdict(head.policy, directives, now, stored.isStale);
    if (judged === 'fresh' || judged === 'stale' || judged === 'revalidate') {
      if (judged === 'revalidate' || this.#isDue(judged, head, now)) {
        const turn = this.#turnToRefresh(found.key, head);
        if (turn !== null) {
          const asked = this.#asked(call, null, target, primary, parts, null, now);
          this.#refresh(asked, found, head, stored.version, turn);
        }
      }
      this.#workings.outcomes.hit(call, judged === 'fresh' ? 'hit' : 'stale', head, now);
      sendStored(call, sink, stored, head, now);
      return;
    }
    if (judged === 'unsatisfiable') {
      stored.release();
      this.#notCached(call, sink);
      return;
    }
    const asked = this.#asked(call, sink, target, primary, parts, directives, now);
    if (this.#standsIn(asked, found.key, head, stored, now - PAUSE_MS)) return;
    this.#miss(asked, found, directives === null || remainingLifetime(head.policy, now) <= 0 ? 'stale' : 'request');
  }

  #isBypassed(call: UpstreamCall, exchange: Exchange | null): boolean {
    const { headers } = call;
    // Only the service itself can answer these (RFC 9110, 13.1.1 and 13.1.4), and content in GET has no meaning (9.3.1).
    if (call.body !== null || call.upgrade !== null) return true;
    if (headers.has(ifMatch) || headers.has(ifUnmodifiedSince)) return true;
    if (this.#workings.service.isTurned(call)) return true;
    const { bypass } = this.#parts;
    if (exchange === null) return bypass.length > 0;
    for (let i = 0; i < bypass.length; i++) if ((bypass[i] as Condition).holds(exchange)) return true;
    return false;
  }

  #bypass(call: UpstreamCall, sink: Sink): void {
    const { outcomes, next } = this.#workings;
    outcomes.count(call, 'bypass');
    outcomes.went(call, { ...goesOn, why: 'bypass' });
    next(call, sink);
  }

  #passMethod(call: UpstreamCall, sink: Sink): void {
    const { outcomes, next, store, shared } = this.#workings;
    outcomes.went(call, { ...goesOn, why: 'method' });
    next(call, isUnsafe(call.method) ? new Invalidation(call, sink, this.#parts.key, store, shared) : sink);
  }

  #notCached(call: UpstreamCall, sink: Sink): void {
    const { outcomes } = this.#workings;
    outcomes.count(call, 'miss');
    sink.fail(errors.notCached);
  }

  #asked(
    call: UpstreamCall,
    sink: Sink | null,
    target: string,
    primary: string,
    parts: string,
    directives: RequestDirectives | null,
    now: number,
  ): Asked {
    const { told, rules, noStore } = this.#parts;
    const { exchange } = call;
    const isTold = told.isTold(call, target);
    const mayStore = exchange === null ? noStore.length === 0 : !noStore.some((each) => each.holds(exchange));
    const given = rules.of(isTold, told.hasCookies(call));
    const { headers } = call;
    const common = { sink, target, primary, parts, directives, rules: given, isTold, mayStore, since: now, turns: 0 };
    if (sink !== null) return { ...common, call, headers };
    // The client's own goes on to its end, and its fields then are another request's.
    const own = headers.clone();
    return { ...common, headers: own, call: new UpstreamCall('GET', call.target, call.authority, own, null, null) };
  }

  /** Nothing that could be served as it is. */
  #miss(asked: Asked, found: Found, why: ForwardReason): void {
    const { call, sink, directives } = asked;
    const { variants, store, unstorable } = this.#workings;
    const { stored, head } = found;
    if (sink === null) return;
    if (call.method === 'HEAD') {
      this.#headMiss(asked, sink, found, why);
      return;
    }
    if (directives?.onlyIfCached) {
      stored?.release();
      this.#notCached(call, sink);
      return;
    }
    const isFirst = found.variants === null;
    if (found.key === '') {
      found.variants = variants.begin(asked.primary, '');
      if (found.variants !== null) found.key = variants.keyOf(asked);
    }
    const { key } = found;
    const known = found.variants;
    const turn = key === '' ? null : store.begin(key);
    if (turn === null) {
      stored?.release();
      this.#alone(asked);
    } else if (!turn.leads) {
      stored?.release();
      const { coalesceFor } = this.#parts.options;
      if (coalesceFor < 0 || asked.turns >= MAX_TURNS || unstorable.has(asked.primary, Date.now())) {
        turn.leave();
        this.#alone(asked);
      } else {
        new WaitingRequest(this.#workings, asked, sink, turn, key).wait(coalesceFor);
      }
    } else {
      const before: Before | null =
        stored === null || head === null ? null : { key, head, version: stored.version, stored };
      const change = this.#changeMeanwhile(asked, key, before);
      if (change !== 'none') {
        turn.abandon();
        if (change === 'moved') this.#again(asked);
        return;
      }
      const reason = why === 'miss' ? (isFirst ? 'uri-miss' : 'vary-miss') : why;
      const fetch = new Fetch(this.#workings, asked, key, known, reason, before, turn);
      if (!this.#workings.shared.isKept || directives?.noCache) fetch.run();
      else new SharedLookup(this.#workings, asked, sink, known, turn, fetch).run();
    }
  }

  /**
   * Between the look-up and the turn to fetch somebody may have stored it, which is answered here, or have learnt that it has
   * variants, and this request's is under another key, where others may be fetching it already.
   */
  #changeMeanwhile(asked: Asked, key: string, before: Before | null): 'none' | 'served' | 'moved' {
    const now = Date.now();
    const found = new Found();
    this.#workings.variants.find(asked, found);
    const { stored, head } = found;
    if (stored !== null && head !== null && head.id !== before?.head.id && this.#isUsable(asked, head, stored, now)) {
      before?.stored?.release();
      this.#serve(asked, stored, head, now, 'hit');
      return 'served';
    }
    stored?.release();
    if (found.key === '' || found.key === key || asked.turns >= MAX_TURNS) return 'none';
    before?.stored?.release();
    return 'moved';
  }

  #isUsable(asked: Asked, head: StoredHead, stored: StoredResponse, now: number): boolean {
    // Newer than the question: it is what the service would say now.
    if (head.policy.responseTime >= asked.since && !stored.isStale) return true;
    const judged = verdict(head.policy, asked.directives, now, stored.isStale);
    return judged !== 'validate' && judged !== 'unsatisfiable';
  }

  #serve(asked: Asked, stored: StoredResponse, head: StoredHead, now: number, result: 'hit' | 'coalesced'): void {
    const { call, sink } = asked;
    const { outcomes } = this.#workings;
    if (sink === null) {
      stored.release();
      return;
    }
    if (result === 'hit') {
      outcomes.hit(call, 'hit', head, now);
    } else {
      outcomes.count(call, 'coalesced');
      outcomes.went(call, { ...goesOn, isCollapsed: true });
    }
    sendStored(call, sink, stored, head, now);
  }

  #headMiss(asked: Asked, sink: Sink, { stored, head, key }: Found, why: ForwardReason): void {
    const { outcomes, next } = this.#workings;
    const { call } = asked;
    outcomes.count(call, 'miss');
    outcomes.went(call, { ...goesOn, why });
    if (stored === null || head === null) {
      stored?.release();
      next(call, sink);
      return;
    }
    const before = { key, head, version: stored.version, stored: null };
    const length = stored.body.length;
    stored.release();
    const headOnly = new HeadOnly(this.#workings, asked, sink, before, length);
    next(headOnly.inner, headOnly);
  }

  #again(asked: Asked): void {
    asked.turns++;
    const found = new Found();
    this.#workings.variants.find(asked, found);
    const { stored, head } = found;
    const now = Date.now();
    if (stored !== null && head !== null && this.#isUsable(asked, head, stored, now)) {
      this.#serve(asked, stored, head, now, 'coalesced');
      return;
    }
    this.#miss(asked, found, stored === null ? 'miss' : 'stale');
  }

  #letGo(asked: Asked, key: string): void {
    const { sink, since } = asked;
    if (sink === null) return;
    const found = new Found();
    this.#workings.variants.find(asked, found);
    const { stored, head } = found;
    const now = Date.now();
    if (stored !== null && head !== null) {
      if (this.#isUsable(asked, head, stored, now)) {
        this.#serve(asked, stored, head, now, 'coalesced');
        return;
      }
      if (this.#standsIn(asked, key, head, stored, since)) return;
      stored.release();
    }
    const failure = this.#workings.failures.since(key, since);
    // Who finds no place in a service that has too much to do depends on who asks.
    if (failure === null || failure === ANSWERED || failure === errors.overloaded) {
      this.#alone(asked);
      return;
    }
    this.#workings.outcomes.count(asked.call, 'coalesced');
    sink.fail(failure);
  }

  /** Serves what is stored because the service has failed since then, and would again. */
  #standsIn(asked: Asked, key: string, head: StoredHead, stored: StoredResponse, since: number): boolean {
    const { call, sink, directives } = asked;
    const { failures, outcomes } = this.#workings;
    const now = Date.now();
    if (sink === null || !mayServeOnError(head.policy, directives, now, call.acceptsStale)) return false;
    if (failures.since(key, since) === null) return false;
    call.servedStale = true;
    outcomes.hit(call, 'stale', head, now);
    sendStored(call, sink, stored, head, now);
    return true;
  }

  #alone({ call, sink }: Asked): void {
    const { outcomes, next } = this.#workings;
    if (sink === null) return;
    outcomes.count(call, 'miss');
    outcomes.went(call, goesOn);
    next(call, sink);
  }

  /** The closer the end of its lifetime, and the longer a fetch takes, the more likely: one of many requests is enough. */
  #isDue(judged: Verdict, { fetchTime, policy }: StoredHead, now: number): boolean {
    if (judged !== 'fresh' || !this.#parts.options.refreshesEarly) return false;
    const remaining = remainingLifetime(policy, now);
    if (remaining >= fetchTime * EARLY || policy.lifetime < EARLY * fetchTime) return false;
    return -Math.log(Math.random()) * fetchTime >= remaining;
  }

  /** Null: somebody else is at it, or has just done it. */
  #turnToRefresh(key: string, head: StoredHead): Fill | null {
    const { store, heads } = this.#workings;
    const turn = store.begin(key);
    if (!turn.leads) {
      turn.leave();
      return null;
    }
    const stored = store.find(key);
    const latest = stored === null ? null : heads.of(stored.meta, stored.body.length);
    stored?.release();
    if (latest === null || latest.id === head.id) return turn;
    turn.abandon();
    return null;
  }

  /** In the background, for whoever asks next. */
  #refresh(asked: Asked, { key, variants }: Found, head: StoredHead, version: number, turn: Fill): void {
    const before: Before | null = hasValidator(head.policy) ? { key, head, version, stored: null } : null;
    new Fetch(this.#workings, asked, key, variants, 'stale', before, turn).run();
  }
}
