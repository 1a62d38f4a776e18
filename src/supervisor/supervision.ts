import { setTimeout as sleep } from 'node:timers/promises';
import type { SupervisedDocument } from '../compile/plan-document.ts';
import type { UpstreamWork } from '../compile/upstream-work.ts';
import type { IdentifierSuperviseEnv } from '../plan/identifier.ts';
import type { Supervised } from '../plan/policy.ts';
import type { Records } from '../plan/records.ts';
import type { Registry } from '../plan/registry.ts';
import { ENDPOINTS_FEED, HEALTH_FEED } from '../plan/upstream.ts';
import type { FeedHub } from './feed-hub.ts';
import type { UpstreamDesk } from './upstreams/upstream-desk.ts';

export interface SupervisionOptions {
  readonly registry: Registry;
  readonly feeds: FeedHub;
  readonly records: Records;
  readonly stateDirectory: string | null;
  readonly upstreams: UpstreamDesk;
  problem(message: string): void;
}

/** What `status` shows of one piece of background work. */
export interface SupervisionReport {
  readonly kind: SupervisedDocument['kind'];
  readonly module: string;
  readonly name: string;
  readonly state: unknown;
}

interface Running {
  readonly document: SupervisedDocument;
  readonly work: Supervised;
  readonly reports: (() => unknown)[];
}

/** The change from one configuration's background work to the next one's, until it is decided. */
export interface SupervisionChange {
  /** Resolves when all that is new has made its first attempt, or after `patienceMs`. */
  settled(patienceMs: number): Promise<void>;
  /** What the new configuration does not have ends. */
  commit(): void;
  /** What only the new configuration has ends. */
  abandon(): void;
}

/** Background work on the main thread: keys of issuers, API keys, tokens, endpoints of upstreams and their health. */
export class Supervision {
  readonly #options: SupervisionOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: SupervisionOptions) {
    this.#options = options;
  }

  /** Starts what is new; equal work goes on as it is. */
  change(documents: readonly SupervisedDocument[]): SupervisionChange {
    const wanted = new Set(documents.map(({ owner }) => owner));
    const fresh: Running[] = [];
    for (const document of documents) {
      if (this.#running.has(document.owner)) continue;
      const running = this.#start(document);
      this.#running.set(document.owner, running);
      fresh.push(running);
    }
    const end = (owners: Iterable<string>): void => {
      for (const owner of owners) this.#end(owner);
    };
    return {
      settled: async (patienceMs) => {
        const attempts = fresh.map(({ work }) => work.settled).filter((attempt) => attempt !== undefined);
        if (attempts.length > 0)
          await Promise.race([Promise.allSettled(attempts), sleep(patienceMs, undefined, { ref: false })]);
      },
      commit: () => end([...this.#running.keys()].filter((owner) => !wanted.has(owner))),
      abandon: () => end(fresh.map(({ document }) => document.owner)),
    };
  }

  report(): SupervisionReport[] {
    return [...this.#running.values()].flatMap(({ document: { kind, module, name }, reports }) =>
      reports.map((read) => ({ kind, module, name, state: read() })),
    );
  }

  close(): void {
    for (const owner of [...this.#running.keys()]) this.#end(owner);
  }

  #start(document: SupervisedDocument): Running {
    return document.kind === 'upstream' ? this.#watch(document) : this.#supervise(document);
  }

  #watch(document: SupervisedDocument): Running {
    const { feeds, upstreams, problem } = this.#options;
    const { owner, name, options } = document;
    const work = upstreams.watch(options as UpstreamWork, {
      endpoints: feeds.publisher(owner, ENDPOINTS_FEED, null),
      health: feeds.publisher(owner, HEALTH_FEED, null),
      problem: (message) => problem(`${name}: ${message}`),
    });
    return { document, work, reports: [] };
  }

  #supervise(document: SupervisedDocument): Running {
    const { registry, feeds, records, stateDirectory, problem } = this.#options;
    const { owner, kind, module, name, options, consumers } = document;
    const reports: (() => unknown)[] = [];
    const env: IdentifierSuperviseEnv = {
      entry: name,
      consumers: new Map(consumers),
      feed: (feed, answer) => feeds.publisher(owner, feed, answer ?? null),
      records,
      stateDirectory,
      problem: (message) => problem(`${name}: ${message}`),
      report: (read) => reports.push(read),
    };
    const modules = kind === 'identifier' ? registry.identifiers : [...registry.policies, ...registry.upstreamPolicies];
    const found = modules.find((each) => each.name === module);
    if (found?.supervise === undefined) throw new Error(`${module} has no background work`);
    return { document, work: found.supervise(options, env), reports };
  }

  #end(owner: string): void {
    const running = this.#running.get(owner);
    if (running === undefined) return;
    this.#running.delete(owner);
    void running.work.close();
    this.#options.feeds.close(owner);
  }
}
