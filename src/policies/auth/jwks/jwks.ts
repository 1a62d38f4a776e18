import { type Clock, systemClock } from '../../../base/clock.ts';
import type { IdentifierSuperviseEnv } from '../../../plan/identifier.ts';
import type { Supervised } from '../../../plan/policy.ts';
import { type JwksState, KEYS_FEED, STATE } from './jwks-feed.ts';
import { JwksMemory } from './jwks-memory.ts';
import type { JwksOptions } from './jwks-options.ts';
import type { KeyPlace } from './jwks-reader.ts';
import { JwksSource } from './jwks-source.ts';

/**
 * The public keys of an entry's issuers, on the main thread: fetched at the start, refreshed ahead of their end, looked
 * for again when a worker meets an unknown one, and published as they change (`jwks-feed.ts`).
 */
export function superviseJwks(
  options: JwksOptions,
  env: IdentifierSuperviseEnv,
  clock: Clock = systemClock,
): Supervised {
  const sources = new Map<string, JwksSource>();
  const feed = env.feed<JwksState>(KEYS_FEED, async (hint) => {
    const [name, kid] = readHint(hint);
    await sources.get(name)?.find(kid);
  });
  for (const [name, place] of placesOf(options)) {
    const memory = memoryOf(place, options, env);
    const source = new JwksSource(
      { place, fetch: options.fetch, memory, clock },
      {
        publish: (state) => feed.update([[name, state]]),
        problem: (message) => env.problem(message),
      },
    );
    sources.set(name, source);
  }
  feed.replace(Array.from(sources, ([name, source]) => [name, source.state] as const));
  env.report(() => Array.from(sources.values(), (source) => source.report()));
  return {
    settled: Promise.all(Array.from(sources.values(), (source) => source.start())).then(() => undefined),
    close() {
      for (const source of sources.values()) source.close();
    },
  };
}

/** By the name under which workers find them. */
function placesOf({ issuer, jwksUrl }: JwksOptions): Map<string, KeyPlace> {
  const only = issuer.length === 1 ? (issuer[0] ?? null) : null;
  if (jwksUrl !== undefined || only !== null) return new Map([[STATE, { issuer: only, url: jwksUrl ?? null }]]);
  return new Map(issuer.map((each) => [each, { issuer: each, url: null }]));
}

function memoryOf(
  place: KeyPlace,
  { fetch }: JwksOptions,
  { stateDirectory }: IdentifierSuperviseEnv,
): JwksMemory | null {
  if (stateDirectory === null || fetch.keepStale === 0) return null;
  return new JwksMemory(stateDirectory, JSON.stringify([place.issuer, place.url]));
}

/** What `missingKey` wrote. */
function readHint(hint: string): readonly [name: string, kid: string] {
  const [name, kid]: unknown[] = JSON.parse(hint);
  return [String(name), String(kid)];
}
