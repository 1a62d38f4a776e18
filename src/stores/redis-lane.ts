import type { RateVerdict } from '../semantics/rate.ts';
import type { LimitStoreCell, LimitStoreState } from '../shared-memory/limit-store.ts';
import { Breaker } from './breaker.ts';
import { type Attempt, type BatchOwner, LimitBatch } from './limit-batch.ts';
import { Deadlines, Inquiry, type TimedQuestion } from './question-deadlines.ts';
import { reasonOf } from './redis-connect.ts';
import { openWire, type RedisWire } from './redis-wire.ts';
import { RespError, type RespReply } from './resp.ts';
import type { RedisServer, RedisSettings } from './settings.ts';

/** Who has lanes, and what it does for them. */
export interface LaneOwner {
  readonly settings: RedisSettings;
  readonly cell: LimitStoreCell;
  /** Asked on every new connection, and of a server that was left alone. */
  readonly probe: string;
  /** A lane's state is another one; null: there are other lanes. */
  changed(lane: RedisLane | null): void;
  decideHere(attempt: Attempt): void;
  /** The store has not counted it, as far as we know. */
  unheard(attempt: Attempt): void;
  /** Granted on this machine's own account, while the store refused it. */
  overdrawn(attempt: Attempt): void;
  /** Another server has the key. False: there is no way to it. */
  redirect(batch: LimitBatch, error: RespError): boolean;
}

/** Attempts that may wait for one server at once: past them the machine decides, whatever the budget. */
const MAX_WAITING = 10_000;
/** Having been silent for so long while something waits, a connection is dead. */
const SILENCE_MS = 3000;
/** A key moves at most twice before its cluster agrees with itself. */
const MAX_REPEATS = 3;
/** Refusals that say that the server is the wrong one, for now or for good. */
const WRONG_SERVER = new Set(['READONLY', 'LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'NOAUTH', 'UNBLOCKED']);
const ASKING = '*1\r\n$6\r\nASKING\r\n';
const nobody = { answered: () => undefined, lost: () => undefined };

/**
 * The way to one server: a connection that is looked after, attempts in batches, a budget for each, and a breaker. While
 * it is open nothing waits for the server; it is asked in the background until it answers within the budget again.
 */
export class RedisLane implements BatchOwner {
  state: LimitStoreState = 'connecting';
  /** Why it is not closed; null while it is, and before the first attempt to connect has ended. */
  reason: string | null = null;
  readonly #owner: LaneOwner;
  readonly #find: () => Promise<RedisServer>;
  readonly #breaker = new Breaker();
  readonly #deadlines: Deadlines;
  readonly #flush = (): void => this.#sendQueue();
  #queue: LimitBatch[] = [];
  #wire: RedisWire | null = null;
  #waiting = 0;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(owner: LaneOwner, find: () => Promise<RedisServer>) {
    this.#owner = owner;
    this.#find = find;
    const reason = `no answer within ${owner.settings.timeout} ms`;
    this.#deadlines = new Deadlines(owner.settings.timeout, () => this.#failed(reason));
    void this.#connect();
  }

  /** False: whoever wants an answer has to do without this server. */
  get isReady(): boolean {
    return !this.#breaker.isOpen && this.#waiting < MAX_WAITING;
  }

  /** Null: not connected. */
  get server(): RedisServer | null {
    return this.#wire?.server ?? null;
  }

  /** To be asked only while ready. What is added in one turn of the event loop goes together. */
  add(attempt: Attempt, keyName: string, slot: number): Promise<void> {
    let batch = this.#queue.at(-1);
    if (batch === undefined || batch.slot !== slot || batch.isFull) {
      // Not a microtask: those run between two connections of one turn, and this waits for all of them.
      if (batch === undefined) setImmediate(this.#flush);
      batch = new LimitBatch(this, slot);
      this.#queue.push(batch);
    }
    batch.add(attempt, keyName);
    return batch.promise;
  }

  /** Anything else that is asked of this server; lost at once when it is not ready. */
  send(command: string, question: TimedQuestion): void {
    if (this.#wire === null || this.#breaker.isOpen) {
      question.lost(this.reason ?? 'not connected');
      return;
    }
    this.#deadlines.start(question, performance.now());
    this.#wire.send(command, question);
  }

  /** Something that was sent was answered. */
  succeeded(): void {
    this.#breaker.succeeded();
  }

  /** What another server did not want. */
  resend(batch: LimitBatch, asking: boolean): boolean {
    const wire = this.#wire;
    if (wire === null || !this.isReady) return false;
    batch.owner = this;
    this.#waiting += batch.attempts.length;
    this.#deadlines.adopt(batch, performance.now());
    if (asking) wire.send(ASKING, nobody);
    wire.send(batch.command(true), batch);
    return true;
  }

  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#breaker.open(performance.now());
    this.#giveUp();
    this.#wire?.end('closed');
  }

  decided(batch: LimitBatch): void {
    const { cell } = this.#owner;
    const count = batch.attempts.length;
    this.#waiting -= count;
    this.#breaker.succeeded();
    cell.add('answered', count);
    cell.add('roundTrips', performance.now() - batch.sentAt);
  }

  decideHere(batch: LimitBatch): void {
    const count = batch.attempts.length;
    if (batch.sentAt > 0) {
      this.#waiting -= count;
      this.#owner.cell.add('late', count);
    }
    for (const attempt of batch.attempts) this.#owner.decideHere(attempt);
  }

  cameLate(attempt: Attempt, { allowed }: RateVerdict): void {
    if (attempt.grantedHere && !allowed) this.#owner.overdrawn(attempt);
  }

  unheard(batch: LimitBatch): void {
    for (const attempt of batch.attempts) this.#owner.unheard(attempt);
  }

  refused(batch: LimitBatch, error: RespError): void {
    const { kind } = error;
    if (!batch.isDone && batch.repeats < MAX_REPEATS) {
      batch.repeats++;
      if (kind === 'NOSCRIPT') {
        this.#wire?.send(batch.command(false), batch);
        return;
      }
      if ((kind === 'MOVED' || kind === 'ASK') && this.#owner.redirect(batch, error)) {
        this.#waiting -= batch.attempts.length;
        return;
      }
    }
    batch.lost();
    // A key on its way from one server to another: no fault of either.
    if (kind === 'TRYAGAIN' || kind === 'MOVED' || kind === 'ASK') return;
    if (WRONG_SERVER.has(kind)) this.#wire?.end(error.text);
    else this.#failed(error.text);
  }

  violated(): void {
    this.#wire?.end('its answer is to something else');
  }

  #sendQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    const wire = this.#wire;
    if (wire === null || this.#breaker.isOpen) {
      for (const batch of queue) batch.lost();
      return;
    }
    const now = performance.now();
    let commands = '';
    let count = 0;
    for (const batch of queue) {
      batch.sentAt = now;
      count += batch.attempts.length;
      this.#deadlines.start(batch, now);
      commands += batch.command(true);
    }
    this.#waiting += count;
    this.#owner.cell.add('asked', count);
    this.#owner.cell.add('commands', queue.length);
    wire.send(commands, ...queue);
  }

  async #connect(): Promise<void> {
    const { settings, probe, cell } = this.#owner;
    try {
      const { wire, reply } = await openWire(settings, await this.#find(), probe);
      if (this.#closed) {
        wire.end('closed');
        return;
      }
      cell.add('connections', 1);
      this.#wire = wire;
      wire.onEnd = (reason) => this.#lost(reason);
      if (wire.ended !== null) this.#lost(wire.ended);
      else if (!isWilling(reply)) wire.end(refusalIn(reply));
      else this.#probe(wire);
    } catch (error) {
      this.#rest(reasonOf(error));
    }
  }

  /** Whether the server is not only there, but answers in time. */
  #probe(wire: RedisWire): void {
    this.#turn('half-open', this.reason);
    const probe = new Inquiry((reply) => {
      if (reply === 'late') this.#rest('it answers too late');
      else if (isWilling(reply)) this.#close();
      // One that is lost is told by the connection.
      else if (reply !== 'lost') wire.end(refusalIn(reply));
    });
    this.#deadlines.start(probe, performance.now());
    wire.send(this.#owner.probe, probe);
  }

  #close(): void {
    this.#breaker.close(performance.now());
    this.#turn('closed', null);
  }

  #failed(reason: string): void {
    this.#owner.cell.add('failures', 1);
    if (this.#breaker.failed()) this.#open(reason);
  }

  #open(reason: string): void {
    if (this.#breaker.isOpen) return;
    this.#breaker.open(performance.now());
    this.#owner.cell.add('opened', 1);
    this.#giveUp();
    this.#rest(reason);
  }

  /** The connection is over. */
  #lost(reason: string): void {
    this.#wire = null;
    if (this.#breaker.isOpen) this.#rest(reason);
    else {
      this.#owner.cell.add('failures', 1);
      this.#open(reason);
    }
  }

  /** Whoever waits for this server stops waiting. */
  #giveUp(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#deadlines.expireAll();
    for (const batch of queue) batch.lost();
  }

  /** Leaves the server alone for a while. */
  #rest(reason: string): void {
    this.#turn('open', reason);
    if (this.#closed || this.#retry !== null) return;
    this.#retry = setTimeout(() => this.#again(), this.#breaker.nextPause());
    this.#retry.unref();
  }

  #again(): void {
    this.#retry = null;
    const wire = this.#wire;
    if (wire === null) {
      void this.#connect();
      return;
    }
    const waiting = wire.waiting(performance.now());
    if (waiting === 0) this.#probe(wire);
    else if (waiting > SILENCE_MS) wire.end(`no answer within ${SILENCE_MS} ms`);
    else this.#rest(this.reason ?? '');
  }

  #turn(state: LimitStoreState, reason: string | null): void {
    this.state = state;
    this.reason = reason;
    this.#owner.changed(this);
  }
}

/** In a cluster the probe's key is another server's, as a rule: to say so takes a server that works. */
function isWilling(reply: RespReply): boolean {
  if (reply instanceof RespError) return reply.kind === 'MOVED' || reply.kind === 'ASK';
  return Array.isArray(reply) && reply.length === 1 && typeof reply[0] === 'number';
}

function refusalIn(reply: RespReply): string {
  return reply instanceof RespError ? reply.text : 'it does not answer as Redis does';
}
