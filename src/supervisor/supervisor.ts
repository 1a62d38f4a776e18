import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectWithoutHelpers, releaseGarbageOnce } from '../base/garbage.ts';
import { type Watcher, watchFiles } from '../config/watch.ts';
import type { Registry } from '../plan/registry.ts';
import { LimitMemory } from '../shared-memory/limit-segments.ts';
import { MetricsView } from '../shared-memory/metrics-view.ts';
import { ResponseMemory } from '../shared-memory/response-memory.ts';
import { UsageMemory } from '../shared-memory/usage-segments.ts';
import { PURGE_COUNT_BYTES } from '../stores/known-purges.ts';
import { AdminAddress, type AdminFace } from './admin-address.ts';
import { Background, type OpenPurgeLog, type OpenRecords, type OpenUsage } from './background.ts';
import { BreakerDesk } from './breakers.ts';
import type { ConfigAccepted, ConfigResult, KnownSeries } from './config-job.ts';
import { Crew, type CrewSettings } from './crew.ts';
import { FeedHub } from './feed-hub.ts';
import { KeyDirectory } from './key-directory.ts';
import type { ProcessLog } from './process-log.ts';
import { Reloader, type ReloadOutcome, type ReloadReason } from './reloader.ts';
import type { ProcessSettings } from './settings.ts';
import { formatAdminAddress, StartError, wordsForPrepareFailure } from './start-error.ts';
import { StateDirectory } from './state-directory.ts';
import { TicketKeys } from './ticket-keys.ts';
import type { WorkerThread } from './worker-thread.ts';

/** How long a start or reload waits for the first attempts of new background work (keys of an issuer, say). */
const FIRST_ATTEMPT_MS = 2_000;

export interface SupervisorOptions {
  readonly workerScript: URL;
  /** Configuration files as given. */
  readonly files: readonly string[];
  readonly log: ProcessLog;
  /** Reads the configuration as it is now. */
  readConfig(series: KnownSeries, version: number, threadEnv: NodeJS.ProcessEnv): Promise<ConfigResult>;
  readonly registry: Registry;
  /** Where API keys and revocations are kept. */
  openRecords: OpenRecords;
  /** Where it is kept what callers used of their quotas. */
  openUsage: OpenUsage;
  /** By what machines share their purges. */
  openPurgeLog: OpenPurgeLog;
  readonly admin: AdminFace;
  /** The process has nothing left to do. */
  ended(code: number): void;
  readonly takeOver: boolean;
}

export interface ReloadRecord {
  readonly at: number;
  readonly reasons: readonly ReloadReason[];
  readonly outcome: ReloadOutcome;
}

/** The main thread's work: one configuration in service, workers that serve it, an orderly start and an orderly end. */
export class Supervisor {
  readonly startedAt = Date.now();
  readonly crew: Crew;
  readonly breakers: BreakerDesk;
  readonly limits: LimitMemory;
  readonly usage: UsageMemory;
  readonly responses: ResponseMemory;
  readonly #purgeCount = new SharedArrayBuffer(PURGE_COUNT_BYTES);
  readonly state: StateDirectory;
  /** Null before the start. */
  background: Background | null = null;
  readonly reloads = { succeeded: 0, failed: 0 };
  /** What changes through the admin API need; null when there is no place to keep one. */
  token: string | null = null;
  draining = false;
  loadedAt = Date.now();
  lastReload: ReloadRecord | null = null;
  readonly #options: SupervisorOptions;
  readonly #log: ProcessLog;
  readonly #reloader: Reloader;
  readonly #ticketKeys: TicketKeys;
  readonly #stopNow = new AbortController();
  readonly #feeds: FeedHub;
  #config: ConfigAccepted;
  #version = 1;
  readonly #admin: AdminAddress;
  readonly #watcher: Watcher;
  #ended = false;

  private constructor(options: SupervisorOptions, config: ConfigAccepted, watcher: Watcher) {
    this.#options = options;
    this.#watcher = watcher;
    this.#log = options.log;
    this.#config = config;
    this.state = new StateDirectory(config.settings.stateDir);
    this.#admin = new AdminAddress(options.admin, options.log);
    this.#reloader = new Reloader((reasons) => this.#reload(reasons));
    this.#ticketKeys = new TicketKeys((keys) => this.crew.setTicketKeys(keys));
    this.#feeds = new FeedHub(
      () => this.crew.workers,
      (message) => this.#log.warn('supervision', message),
    );
    // Random, so that nobody outside can aim keys at one place.
    const random = randomBytes(8);
    const seed = [random.readInt32LE(0), random.readInt32LE(4)] as const;
    this.limits = new LimitMemory(config.settings.stores.local.buckets, seed);
    this.usage = new UsageMemory(seed);
    this.responses = new ResponseMemory(config.settings.stores.local.cache, seed);
    this.crew = new Crew(
      {
        script: options.workerScript,
        feeds: this.#feeds,
        limits: this.limits,
        usage: this.usage,
        responses: this.responses,
        purgeCount: this.#purgeCount,
        purged: (purge) => this.background?.responses.announce(purge),
        stores: config.settings.stores,
        env: () => this.state.workerEnv(process.env),
        log: options.log,
        ticketKeys: this.#ticketKeys.current,
        series: () => ({ routes: this.#config.series.routes.length, upstreams: this.#config.series.upstreams.length }),
        stuck: (worker) => void this.#giveUp(worker),
      },
      crewSettings(config.settings),
    );
    this.breakers = new BreakerDesk(this.crew.cells.states, (message) => this.#log.info('breaker', message));
  }

  /** Comes back when requests are served; throws `StartError` when that cannot be. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    let supervisor: Supervisor | null = null;
    let changedMeanwhile = false;
    collectWithoutHelpers();
    const onChange = (): void => {
      if (supervisor === null) changedMeanwhile = true;
      else void supervisor.reload('file');
    };
    // Before the files are read, so that no change falls between the reading and the watching.
    const watcher = watchFiles({ files: options.files.map((file) => resolve(file)), onChange });
    const config = await options.readConfig({ routes: [], upstreams: [] }, 1, process.env);
    if (!config.ok) {
      watcher.close();
      throw new StartError(`the configuration cannot be served:\n${config.rendered.trimEnd()}`);
    }
    watcher.update(config.watched, config.watchedPatterns);
    const starting = new Supervisor(options, config, watcher);
    await starting.#start();
    supervisor = starting;
    if (changedMeanwhile) void supervisor.reload('file');
    return supervisor;
  }

  get config(): ConfigAccepted {
    return this.#config;
  }

  get version(): number {
    return this.#version;
  }

  get ready(): boolean {
    return !this.draining && this.crew.serving.length > 0;
  }

  view(): MetricsView {
    return new MetricsView(this.crew.cells.metrics);
  }

  reload(reason: ReloadReason): Promise<ReloadOutcome> {
    return this.#reloader.request(reason);
  }

  /**
   * The orderly end: readiness fails, the balancer gets `drain.delay` to notice, then the listeners close and what is
   * under way gets `drain.timeout`.
   */
  async stop(why: string): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    const { delayMs, timeoutMs } = this.#config.settings.drain;
    this.#log.info('drain', `stopping (${why}): not ready any more, listeners close in ${delayMs} ms`);
    this.crew.announceDrain();
    this.#watcher.close();
    try {
      await sleep(delayMs, undefined, { signal: this.#stopNow.signal });
    } catch {
      return;
    }
    await this.#leave(timeoutMs);
  }

  /** The end of a process whose successor serves already: readiness and the admin address pass over at once. */
  async handOver(): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    this.#log.info('take-over', 'another process serves; this one finishes what is under way');
    this.#watcher.close();
    await this.#admin.close();
    await this.#leave(this.#config.settings.drain.timeoutMs);
  }

  async #leave(timeoutMs: number): Promise<void> {
    const cut = await this.crew.leave(timeoutMs);
    if (this.#stopNow.signal.aborted) return;
    if (cut > 0) this.#log.warn('drain-timeout', `${cut} workers still had exchanges under way after ${timeoutMs} ms`);
    await this.#end(0);
  }

  /** At once. */
  async stopAtOnce(code: number): Promise<void> {
    this.draining = true;
    this.#stopNow.abort();
    if (await this.crew.terminate()) await this.#end(code);
    else endByForce();
  }

  async #start(): Promise<void> {
    const { settings } = this.#config;
    this.#warnOf(this.#config);
    this.#prepareState();
    const background = this.#openBackground();
    let first = true;
    try {
      const change = background.supervision.change(this.#config.supervised);
      await change.settled(FIRST_ATTEMPT_MS);
      // The store answers or fails within its own patience; no request may be taken in between.
      await background.revocations.settled;
      await background.usage.prepare(this.#config.plans);
      background.usage.adopt(this.#config.plans);
      first = await this.#admin.start(settings.admin, this.#options.takeOver, this.token);
      await this.crew.start({ version: 1, parts: this.#config.parts });
    } catch (error) {
      await this.#end(null);
      throw error instanceof StartError ? error : new StartError(wordsForPrepareFailure(error));
    }
    const admin = settings.admin === null ? 'no admin API' : `admin API on ${formatAdminAddress(settings.admin)}`;
    const workers = `${settings.workers} worker${settings.workers === 1 ? '' : 's'}`;
    this.#log.info('start', `serving ${this.#config.listen.join(', ')} with ${workers}, ${admin}`);
    if (!first) void this.#admin.succeed(this.token);
    releaseGarbageOnce(() => true);
  }

  #openBackground(): Background {
    const { settings } = this.#config;
    const background = new Background({
      registry: this.#options.registry,
      feeds: this.#feeds,
      records: this.#options.openRecords,
      usage: this.#options.openUsage,
      purgeLog: this.#options.openPurgeLog,
      responses: this.responses,
      purgeCount: this.#purgeCount,
      usageMemory: this.usage,
      states: this.crew.cells.states,
      settings,
      stateDirectory: this.state.isUsable ? this.state.path : null,
      keyDirectory: () =>
        KeyDirectory.of(
          this.#config.supervised,
          this.#config.plans.rules.map(({ name }) => name),
        ),
      problem: (message) => this.#log.warn('supervision', message),
    });
    this.background = background;
    return background;
  }

  #prepareState(): void {
    try {
      this.state.create();
      this.token = this.state.ensureToken();
    } catch (error) {
      this.#log.warn('state-directory', `changes through the admin API are off: ${(error as Error).message}`);
    }
  }

  async #reload(reasons: ReadonlySet<ReloadReason>): Promise<ReloadOutcome> {
    const outcome = await this.#tryReload();
    this.lastReload = { at: Date.now(), reasons: [...reasons], outcome };
    const why = [...reasons].join(', ');
    if (!outcome.ok) {
      this.reloads.failed += 1;
      this.#log.error('reload-failed', `version ${this.#version} stays in service (${why}):\n${outcome.error}`);
    } else {
      this.reloads.succeeded += 1;
      const what = outcome.changed ? `version ${outcome.version} is in service` : 'nothing has changed';
      this.#log.info('reload', `${what} (${why})`);
      if (outcome.changed) this.#warnOf(this.#config);
    }
    return outcome;
  }

  #warnOf({ problems }: ConfigAccepted): void {
    if (problems.length === 0) return;
    const warnings = problems.map(({ place, message }) =>
      place === null ? message : `${place.file}:${place.line}:${place.column} ${message}`,
    );
    const count = `${problems.length} warning${problems.length === 1 ? '' : 's'}`;
    this.#log.warn('config', `the configuration has ${count}: \`sluice check\` shows more`, { warnings });
  }

  async #tryReload(): Promise<ReloadOutcome> {
    const refuse = (error: string, problems: ConfigResult['problems'] = []): ReloadOutcome => {
      return { ok: false, version: this.#version, error, problems };
    };
    if (this.draining) return refuse('the process is stopping');
    const version = this.#version + 1;
    let next: ConfigResult;
    try {
      next = await this.#options.readConfig(this.#config.series, version, this.state.workerEnv(process.env));
    } catch (error) {
      return refuse((error as Error).message);
    }
    this.#watcher.update(next.watched, next.watchedPatterns);
    if (!next.ok) return refuse(next.rendered, next.problems);
    const before = this.#config;
    if (next.hash === before.hash && next.codeHash === before.codeHash) {
      return { ok: true, changed: false, version: this.#version, warnings: next.rendered };
    }
    try {
      const background = this.background?.supervision.change(next.supervised);
      try {
        await background?.settled(FIRST_ATTEMPT_MS);
        await this.background?.usage.prepare(next.plans);
        const admin = await this.#admin.prepare(next.settings.admin);
        const fresh = next.codeHash !== before.codeHash;
        await this.crew.change({ version, parts: next.parts }, crewSettings(next.settings), fresh).catch((error) => {
          admin.abandon();
          throw error;
        });
        admin.commit();
      } catch (error) {
        background?.abandon();
        throw error;
      }
      background?.commit();
      this.background?.usage.adopt(next.plans);
    } catch (error) {
      return refuse(wordsForPrepareFailure(error));
    }
    this.#config = next;
    this.#version = version;
    this.loadedAt = Date.now();
    return { ok: true, changed: true, version, warnings: next.rendered };
  }

  /** A thread that cannot be ended holds its connections and a core: only a new process helps. */
  async #giveUp(stuck: WorkerThread): Promise<void> {
    if (this.#ended) return;
    this.draining = true;
    this.#log.error('worker-stuck', `worker ${stuck.id} cannot be ended; the others finish, then this process ends`);
    this.crew.announceDrain();
    const others = [...this.crew.workers].filter((worker) => worker !== stuck);
    await Promise.all(others.map((worker) => worker.leave(this.#config.settings.drain.timeoutMs)));
    endByForce();
  }

  async #end(code: number | null): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#ticketKeys.close();
    this.#watcher.close();
    if (code === null) await this.crew.terminate();
    await this.#admin.close();
    await this.background?.close();
    if (code !== null) this.#options.ended(code);
  }
}

/** `process.exit` waits for every thread, also for one that never ends; the platform sees the signal and starts anew. */
function endByForce(): void {
  process.kill(process.pid, 'SIGKILL');
}

function crewSettings(settings: ProcessSettings): CrewSettings {
  return {
    count: settings.workers,
    maxHeapMegabytes: settings.maxHeapMegabytes,
    hangAfterMs: settings.hangAfterMs,
    drainTimeoutMs: settings.drain.timeoutMs,
  };
}
