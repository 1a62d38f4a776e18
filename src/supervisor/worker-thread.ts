import { Worker } from 'node:worker_threads';
import type { FeedQuestion } from '../compile/feeds.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import { ControlCell, type WorkerVitals } from '../shared-memory/control.ts';
import type { FromWorker, PlanParcel, Refusal, ToWorker, WorkerBoot } from './messages.ts';
import { within } from './within.ts';

/** A thread that could not be ended in this time never will be (a loop in native code). */
const TERMINATE_PATIENCE_MS = 2_000;
/** Covers user modules that wait for ever at their top level; loops are found by the heartbeat long before. */
const PREPARE_PATIENCE_MS = 60_000;

export interface WorkerSettings {
  readonly script: URL;
  readonly env: NodeJS.ProcessEnv;
  /** Upper bound of a worker's old generation in MiB. */
  readonly maxHeapMegabytes: number;
}

export type WorkerEnd =
  | { readonly kind: 'left' }
  | { readonly kind: 'crashed'; readonly message: string }
  | { readonly kind: 'outOfMemory' }
  | { readonly kind: 'terminated' };

export class PrepareError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

interface Waiting {
  readonly kind: 'prepared' | 'committed';
  readonly version: number;
  resolve(): void;
  reject(error: Error): void;
}

/** One worker as the supervisor sees it: a thread, what it said, and what it shows in shared memory. */
export class WorkerThread {
  readonly id: number;
  readonly bornAt = performance.now();
  readonly ownsUnixSockets: boolean;
  readonly metrics: SharedArrayBuffer;
  readonly control: ControlCell;
  readonly started: Promise<void>;
  readonly ended: Promise<WorkerEnd>;
  /** Version of the plan it serves; 0 before the first. */
  version = 0;
  /** It takes no new connections any more and will end by itself. */
  leaving = false;
  hasEnded = false;
  readonly #thread: Worker;
  readonly #log: (line: string) => void;
  readonly #asked: (question: FeedQuestion, worker: WorkerThread) => void;
  readonly #purged: (purge: ResponsePurge) => void;
  #waiting: Waiting[] = [];
  #terminated = false;
  #startedNow: () => void = () => undefined;
  #failure: Error | null = null;

  constructor(
    settings: WorkerSettings,
    boot: WorkerBoot,
    log: (line: string) => void,
    asked: (question: FeedQuestion, worker: WorkerThread) => void,
    purged: (purge: ResponsePurge) => void,
  ) {
    this.id = boot.id;
    this.#asked = asked;
    this.#purged = purged;
    this.ownsUnixSockets = boot.ownsUnixSockets;
    this.metrics = boot.metrics;
    this.control = new ControlCell(boot.control);
    this.#log = log;
    this.#thread = new Worker(settings.script, {
      name: `worker ${boot.id}`,
      workerData: boot,
      env: settings.env,
      resourceLimits: { maxOldGenerationSizeMb: settings.maxHeapMegabytes },
    });
    const started = Promise.withResolvers<void>();
    // Whoever waits for the start learns of an end before it; when nobody waits it is not an unhandled rejection.
    started.promise.catch(() => undefined);
    this.started = started.promise;
    this.#startedNow = started.resolve;
    this.#thread.on('message', (message: FromWorker) => this.#hear(message));
    this.#thread.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
    this.ended = new Promise((resolve) => {
      this.#thread.once('exit', () => {
        this.hasEnded = true;
        this.control.setState('ended');
        const end = this.#describeEnd();
        const error = new Error(`worker ${this.id} ended${end.kind === 'crashed' ? `: ${end.message}` : ''}`);
        started.reject(error);
        for (const each of this.#waiting.splice(0)) each.reject(error);
        resolve(end);
      });
    });
  }

  get vitals(): WorkerVitals {
    return this.control.read();
  }

  get age(): number {
    return performance.now() - this.bornAt;
  }

  /** Builds a plan and binds what it listens on, beside the plan being served. Rejects with `PrepareError` when it cannot. */
  async prepare(plan: PlanParcel): Promise<void> {
    const prepared = this.#expect('prepared', plan.version);
    this.tell({ kind: 'prepare', plan });
    if (
      (await within(
        PREPARE_PATIENCE_MS,
        prepared.then(() => true),
      )) === null
    ) {
      throw new PrepareError({ code: null, address: null, message: 'a worker did not get the plan ready in time' });
    }
  }

  /** Serves the prepared plan; once this resolves, no new request of this worker sees the one before. */
  async commit(version: number): Promise<void> {
    const committed = this.#expect('committed', version);
    this.tell({ kind: 'commit', version });
    await committed;
    this.version = version;
  }

  tell(message: ToWorker): void {
    if (!this.hasEnded) this.#thread.postMessage(message);
  }

  /** Takes no new connections, finishes what is under way and ends; past `patienceMs` it is cut off. */
  async leave(patienceMs: number): Promise<WorkerEnd> {
    this.leaving = true;
    this.tell({ kind: 'leave' });
    const end = await within(patienceMs, this.ended);
    if (end !== null) return end;
    await this.terminate();
    return this.ended;
  }

  /** False: the thread would not die. */
  async terminate(): Promise<boolean> {
    if (this.hasEnded) return true;
    this.#terminated = true;
    void this.#thread.terminate();
    return (await within(TERMINATE_PATIENCE_MS, this.ended)) !== null;
  }

  #expect(kind: Waiting['kind'], version: number): Promise<void> {
    if (this.hasEnded) return Promise.reject(new Error(`worker ${this.id} has ended`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, version, resolve, reject });
    });
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'log') {
      this.#log(message.line);
      return;
    }
    if (message.kind === 'started') {
      this.#startedNow();
      return;
    }
    if (message.kind === 'feedQuestion') {
      this.#asked(message.question, this);
      return;
    }
    if (message.kind === 'purged') {
      this.#purged(message.purge);
      return;
    }
    const kind = message.kind === 'refused' ? 'prepared' : message.kind;
    const at = this.#waiting.findIndex((each) => each.kind === kind && each.version === message.version);
    if (at < 0) return;
    const [waiting] = this.#waiting.splice(at, 1);
    if (message.kind === 'refused') waiting?.reject(new PrepareError(message.refusal));
    else waiting?.resolve();
  }

  #describeEnd(): WorkerEnd {
    const failure = this.#failure;
    if (failure === null) {
      if (this.#terminated) return { kind: 'terminated' };
      return this.leaving ? { kind: 'left' } : { kind: 'crashed', message: 'it ended without being asked to' };
    }
    if ((failure as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') return { kind: 'outOfMemory' };
    return { kind: 'crashed', message: failure.stack ?? failure.message };
  }
}
