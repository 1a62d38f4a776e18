import { z } from 'zod';
import { type Clock, systemClock } from '../../base/clock.ts';
import { suggest } from '../../base/suggest.ts';
import { isFed, type UpstreamWork } from '../../compile/upstream-work.ts';
import type { Supervised } from '../../plan/policy.ts';
import { Drains } from './drains.ts';
import { LastFound } from './source.ts';
import { Turns } from './turns.ts';
import { UpstreamCounts } from './upstream-counts.ts';
import { type LoadReader, type UpstreamView, viewOf } from './upstream-view.ts';
import { UpstreamWatch, type WatchPorts } from './upstream-watch.ts';

/** Checks under way at once, over all upstreams. */
const MAX_CHECKS = 256;

/** What an operator can mend. `unknown`: there is no such upstream or endpoint. `last`: nobody would be left. */
export class UpstreamError extends Error {
  readonly kind: 'invalid' | 'unknown' | 'last';

  constructor(kind: UpstreamError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const drainRequest = z.strictObject({
  upstream: z.string().min(1).max(1024),
  endpoint: z.string().min(1).max(4096),
  /** Also the last one in service. */
  force: z.boolean().default(false),
});

/** One upstream in a few facts, for `sluice status` and metrics. */
export interface UpstreamSummary {
  readonly upstream: string;
  readonly endpoints: readonly {
    readonly url: string;
    /** Null: nobody asks, or the first answer has not come. */
    readonly isHealthy: boolean | null;
    readonly isDrained: boolean;
  }[];
  readonly sources: readonly {
    readonly source: string;
    /** Why it cannot be asked, or that it knows of no endpoints; null: it is in order. */
    readonly trouble: string | null;
  }[];
  readonly counts: UpstreamCounts;
}

/** All upstreams on the main thread, and in the hands of operators. */
export class UpstreamDesk {
  readonly #clock: Clock;
  readonly #load: LoadReader;
  readonly #drains = new Drains();
  readonly #memory = new LastFound();
  readonly #turns = new Turns(MAX_CHECKS);
  readonly #counts = new Map<string, UpstreamCounts>();
  /** In the order in which they began: during a reload the one in service is the first of its name. */
  readonly #watches = new Set<UpstreamWatch>();

  constructor(load: LoadReader, clock: Clock = systemClock) {
    this.#load = load;
    this.#clock = clock;
  }

  watch(work: UpstreamWork, ports: Pick<WatchPorts, 'endpoints' | 'health' | 'problem'>): Supervised {
    const watch = new UpstreamWatch(work, {
      ...ports,
      clock: this.#clock,
      memory: this.#memory,
      drains: this.#drains,
      turns: this.#turns,
      counts: this.#countsOf(work.name),
    });
    this.#watches.add(watch);
    return {
      settled: watch.settled,
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
    };
  }

  /** `name`: only that one. Throws `UpstreamError` when there is none of that name. */
  list(name: string | null): UpstreamView[] {
    const watches = name === null ? this.#inService() : [this.#find(name)];
    const breakers = this.#load.breakers();
    return watches.map((watch) => viewOf(watch, this.#drains, this.#load, breakers));
  }

  /** Calls go elsewhere from now on; those under way end where they are. Requests are JSON as it came. */
  drain(body: unknown): UpstreamView {
    const { upstream, endpoint, force } = read(body);
    const watch = this.#find(upstream);
    const url = endpointOf(watch, endpoint);
    if (this.#drains.since(upstream, url) === null) {
      if (!isFed(watch.work)) {
        throw new UpstreamError('invalid', `\`${upstream}\` has this one endpoint and nothing that looks for others`);
      }
      if (!force && !watch.inService.some((each) => each.url !== url)) {
        throw new UpstreamError(
          'last',
          `\`${url}\` is the last endpoint of \`${upstream}\` in service (\`force\` takes it out)`,
        );
      }
      this.#drains.add(upstream, url, this.#clock.now());
      this.#update(upstream);
    }
    return this.list(upstream)[0] as UpstreamView;
  }

  undrain(body: unknown): UpstreamView {
    const { upstream, endpoint } = read(body);
    this.#find(upstream);
    if (!this.#drains.remove(upstream, endpoint)) {
      throw new UpstreamError('unknown', `\`${endpoint}\` of \`${upstream}\` was not taken out`);
    }
    this.#update(upstream);
    return this.list(upstream)[0] as UpstreamView;
  }

  /** Of upstreams that are watched, or of which something was taken out. */
  summaries(): UpstreamSummary[] {
    return this.#inService()
      .filter(
        (watch) => watch.work.health !== null || watch.sources.length > 0 || this.#drains.of(watch.work.name).size > 0,
      )
      .map((watch) => this.#summaryOf(watch));
  }

  #summaryOf(watch: UpstreamWatch): UpstreamSummary {
    const { name } = watch.work;
    return {
      upstream: name,
      endpoints: Array.from(watch.members.keys(), (url) => ({
        url,
        isHealthy: watch.check(url)?.health?.isHealthy ?? null,
        isDrained: this.#drains.since(name, url) !== null,
      })),
      sources: watch.sources.map((source) => {
        const { origin, of, failure, emptySince } = source.report();
        return { source: `${origin} ${of}`, trouble: failure ?? (emptySince === null ? null : 'no endpoints') };
      }),
      counts: this.#countsOf(name),
    };
  }

  #inService(): UpstreamWatch[] {
    const byName = new Map<string, UpstreamWatch>();
    for (const watch of this.#watches) if (!byName.has(watch.work.name)) byName.set(watch.work.name, watch);
    return [...byName.values()];
  }

  #find(name: string): UpstreamWatch {
    const watches = this.#inService();
    const found = watches.find(({ work }) => work.name === name);
    if (found !== undefined) return found;
    const near = suggest(
      name,
      watches.map(({ work }) => work.name),
    );
    const hint = near === null ? '' : `: did you mean \`${near}\`?`;
    throw new UpstreamError('unknown', `there is no upstream \`${name}\`${hint}`);
  }

  #update(name: string): void {
    for (const watch of this.#watches) if (watch.work.name === name) watch.update();
  }

  #countsOf(name: string): UpstreamCounts {
    let counts = this.#counts.get(name);
    if (counts === undefined) {
      counts = new UpstreamCounts();
      this.#counts.set(name, counts);
    }
    return counts;
  }
}

function read(body: unknown): z.output<typeof drainRequest> {
  const result = drainRequest.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const message = issue === undefined ? 'this makes no sense' : `${issue.path.join('.')}: ${issue.message}`;
  throw new UpstreamError('invalid', message);
}

function endpointOf({ work, members }: UpstreamWatch, endpoint: string): string {
  // With the slash that people write behind a host.
  for (const url of [endpoint, endpoint.replace(/\/$/, '')]) if (members.has(url)) return url;
  const near = suggest(endpoint, [...members.keys()]);
  const hint = near === null ? '' : `: did you mean \`${near}\`?`;
  throw new UpstreamError('unknown', `\`${work.name}\` has no endpoint \`${endpoint}\`${hint}`);
}
