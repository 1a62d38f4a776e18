import type { Limiter, LimitUse } from '../plan/limiter.ts';
import type { Closable, Maybe } from '../plan/policy.ts';
import { RateVerdict, take } from '../semantics/rate.ts';
import type { LimitStoreCell, LimitStoreState } from '../shared-memory/limit-store.ts';
import { ClusterRoutes } from './cluster-routes.ts';
import { Attempt } from './limit-batch.ts';
import { type Debt, LimitDebts } from './limit-debts.ts';
import { beatCommand, probeCommand } from './limit-script.ts';
import { Inquiry } from './question-deadlines.ts';
import type { LaneOwner, RedisLane } from './redis-lane.ts';
import { type RedisRoutes, SingleRoute } from './redis-routes.ts';
import type { RedisSettings } from './settings.ts';
import { StoredLimit } from './stored-limit.ts';

export interface RedisLimiterOptions {
  readonly settings: RedisSettings;
  /** Decides while the store does not: the shared memory of this machine. */
  readonly local: Limiter;
  /** Names this process among those that share the store, the same in all its workers. ASCII. */
  readonly instance: string;
  /** Where counters go; a worker's successor is given the same. */
  readonly cell: LimitStoreCell;
  /** One line for each outage and each recovery. */
  problem(message: string): void;
}

const BEAT_MS = 1000;
/** An instance that has been silent for so long is gone. */
const LIFE_MS = 5000;
/** Keys that the store is told about in one go, and the time until the next: 10,000 a second. */
const TOLD_AT_ONCE = 200;
const TELL_MS = 20;
/** The state of all lanes is the worst of them. */
const SEVERITY: readonly LimitStoreState[] = ['closed', 'connecting', 'half-open', 'open'];
const MEANWHILE: Readonly<Record<RedisSettings['onFailure'], string>> = {
  local: 'meanwhile each machine grants its share of every limit',
  allow: 'meanwhile limits let everything pass',
  deny: 'meanwhile limited routes answer 503',
};
/** Milliseconds after which a request that nobody could decide may come back. */
const RETRY_MS = 1000;

/**
 * Limits that are exact across machines: their state is in a Redis, whose clock and script decide. One round trip for
 * each attempt, together with all others of the same turn of the event loop.
 *
 * An attempt that is not answered within the budget is decided without the store, as all are while it is out of reach:
 * by this machine's own share of the limit, of which the store is told later (`local`), or the same way for everybody.
 */
export class RedisLimiter implements Limiter, Closable {
  readonly cell: LimitStoreCell;
  readonly #options: RedisLimiterOptions;
  readonly #owner: LaneOwner;
  readonly #routes: RedisRoutes;
  readonly #debts: LimitDebts;
  readonly #limits = new WeakMap<LimitUse, StoredLimit>();
  readonly #beatKey: string;
  readonly #beat: string;
  readonly #beating: NodeJS.Timeout;
  readonly #scratch = new RateVerdict();
  #telling: NodeJS.Timeout | null = null;
  #failure: string | null = null;
  /** Since when the number of instances would be a smaller one. */
  #fewerSince = Number.POSITIVE_INFINITY;
  #lastLimit: StoredLimit | null = null;
  #closed = false;

  constructor(options: RedisLimiterOptions) {
    const { settings, local, cell, instance } = options;
    this.cell = cell;
    this.#options = options;
    this.#debts = new LimitDebts(local);
    this.#beatKey = `${settings.prefix}:{limits}:instances`;
    this.#beat = beatCommand(this.#beatKey, instance, LIFE_MS);
    this.#owner = this.#makeOwner();
    cell.setState('connecting');
    this.#routes = settings.kind === 'cluster' ? new ClusterRoutes(this.#owner) : new SingleRoute(this.#owner);
    this.#beating = setInterval(() => this.#tick(), BEAT_MS);
    this.#beating.unref();
  }

  /** Why the store, or a part of it, is not asked; null: it is. */
  get failure(): string | null {
    return this.#failure;
  }

  take(use: LimitUse, key: string, cost: number, verdict: RateVerdict): Maybe<void> {
    verdict.unavailable = false;
    const limit = this.#storedLimit(use);
    const keyName = limit.keyName(key);
    const slot = this.#routes.slotOf(keyName);
    const lane = this.#routes.laneFor(slot);
    const attempt = new Attempt('take', limit, key, cost, verdict);
    if (!lane.isReady) {
      this.#decideHere(attempt);
      if (attempt.grantedHere) this.#remember(attempt);
      return undefined;
    }
    // What was granted here meanwhile comes first.
    if (this.#debts.size > 0 && this.#debts.remove(limit, key)) this.#tell({ limit, key });
    return lane.add(attempt, keyName, slot);
  }

  charge(use: LimitUse, key: string, cost: number): void {
    this.#send(new Attempt('charge', this.#storedLimit(use), key, cost, this.#scratch));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#beating);
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#routes.close();
  }

  #makeOwner(): LaneOwner {
    const { settings, cell } = this.#options;
    return {
      settings,
      cell,
      probe: probeCommand(settings.prefix),
      changed: (lane) => this.#changed(lane),
      decideHere: (attempt) => this.#decideHere(attempt),
      unheard: (attempt) => this.#unheard(attempt),
      overdrawn: ({ limit, key, cost }) => this.#send(new Attempt('debt', limit, key, cost, this.#scratch)),
      redirect: (batch, error) => this.#routes.redirect(batch, error),
    };
  }

  #storedLimit(use: LimitUse): StoredLimit {
    // Most requests meet the limit of the one before.
    if (this.#lastLimit?.use === use) return this.#lastLimit;
    let limit = this.#limits.get(use);
    if (limit === undefined) {
      limit = new StoredLimit(use, this.#options.settings.prefix);
      this.#limits.set(use, limit);
    }
    this.#lastLimit = limit;
    return limit;
  }

  #decideHere(attempt: Attempt): void {
    if (attempt.kind !== 'take') return;
    const { limit, key, cost, verdict } = attempt;
    const { settings, local } = this.#options;
    switch (settings.onFailure) {
      case 'local':
        this.cell.add('local', 1);
        void local.take(limit.share(this.cell.instances, cost), key, cost, verdict);
        attempt.grantedHere = verdict.allowed && cost > 0;
        return;
      case 'allow':
        this.cell.add('allowed', 1);
        // As a key that was never seen.
        take(limit.use.rate, 0, 0, Math.min(cost, limit.use.rate.burst), verdict);
        return;
      default:
        this.cell.add('denied', 1);
        take(limit.use.rate, 0, 0, 0, verdict);
        verdict.allowed = false;
        verdict.unavailable = true;
        verdict.remaining = 0;
        verdict.nextAfter = RETRY_MS;
        verdict.retryAfter = RETRY_MS;
    }
  }

  #unheard(attempt: Attempt): void {
    const { kind, limit, key, cost } = attempt;
    const { settings, local } = this.#options;
    if (settings.onFailure !== 'local') return;
    if (kind === 'charge') local.charge(limit.share(this.cell.instances, 1), key, cost);
    if (kind === 'debt') this.#debts.untold(attempt);
    if (kind === 'take' ? attempt.grantedHere : cost > 0) this.#remember(attempt);
  }

  #remember({ limit, key }: Attempt): void {
    if (!this.#debts.add(limit, key)) this.cell.add('unsettled', 1);
  }

  /** Takes from the key's bucket whether it is there or not. */
  #send(attempt: Attempt): void {
    const { limit, key } = attempt;
    const keyName = limit.keyName(key);
    const slot = this.#routes.slotOf(keyName);
    const lane = this.#routes.laneFor(slot);
    if (lane.isReady) void lane.add(attempt, keyName, slot);
    else this.#unheard(attempt);
  }

  #tell(debt: Debt): void {
    const { limit, key } = debt;
    const amount = this.#debts.amount(debt, this.cell.instances);
    if (amount <= 0) return;
    this.cell.add('settled', 1);
    this.#send(new Attempt('debt', limit, key, amount, this.#scratch));
  }

  #tellSome(): void {
    this.#telling = null;
    for (const debt of this.#debts.some(TOLD_AT_ONCE)) {
      const { limit, key } = debt;
      if (!this.#routes.laneFor(this.#routes.slotOf(limit.keyName(key))).isReady) continue;
      this.#debts.remove(limit, key);
      this.#tell(debt);
    }
    this.#tellLater();
  }

  #tellLater(): void {
    if (this.#debts.size === 0 || this.#telling !== null || !this.#isAnyReady()) return;
    this.#telling = setTimeout(() => this.#tellSome(), TELL_MS);
    this.#telling.unref();
  }

  #isAnyReady(): boolean {
    for (const { isReady } of this.#routes.lanes) if (isReady) return true;
    return false;
  }

  #tick(): void {
    this.#routes.tick();
    this.#tellLater();
    const lane = this.#routes.laneFor(this.#routes.slotOf(this.#beatKey));
    if (!lane.isReady) return;
    const inquiry = new Inquiry((count) => {
      if (typeof count === 'number') this.#learn(count, performance.now());
    });
    lane.send(this.#beat, inquiry);
  }

  /** Fewer are believed once that has been so for a while: after an outage all seem to be gone but the first to return. */
  #learn(count: number, now: number): void {
    const { cell } = this;
    if (count >= cell.instances) this.#fewerSince = Number.POSITIVE_INFINITY;
    else this.#fewerSince = Math.min(this.#fewerSince, now);
    if (count >= cell.instances || now - this.#fewerSince >= LIFE_MS) cell.instances = count;
  }

  #changed(lane: RedisLane | null): void {
    if (this.#closed) return;
    if (lane?.state === 'closed') this.#tick();
    let state: LimitStoreState = this.#routes.isComplete ? 'closed' : 'connecting';
    let failure: string | null = null;
    for (const each of this.#routes.lanes) {
      if (each.state === 'closed') continue;
      if (SEVERITY.indexOf(each.state) > SEVERITY.indexOf(state)) state = each.state;
      if (each.reason !== null) failure ??= each.reason;
    }
    this.cell.setState(state);
    const { settings, problem } = this.#options;
    if (failure !== null && this.#failure === null) problem(`limits: ${failure}; ${MEANWHILE[settings.onFailure]}`);
    if (failure === null && this.#failure !== null) problem('limits: the shared store works again');
    this.#failure = failure;
  }
}
