import { errors } from '../base/gateway-error.ts';
import type { Dispatch } from '../plan/call.ts';
import type { Feed } from '../plan/feed.ts';
import { respondWith } from '../plan/fixed-answer.ts';
import { JWKS_MAX_AGE_SECONDS } from '../policies/signing/key-schedule.ts';
import { PUBLIC_KEYS_FEED, type PublicKey } from '../policies/signing/signing-key.ts';
import type { CheckContext } from './check-context.ts';
import type { CheckedRoute } from './checked-route.ts';
import { type Feeds, feedOwner } from './feeds.ts';
import type { PolicyUse } from './plan-document.ts';

/** `respond: jwks`: the keys with which services verify what `identityToken` gives them. */

const SIGNING_POLICY = 'identityToken';

/** Where the keys of a plan's identity tokens are found. */
export function publicKeyFeeds(uses: readonly PolicyUse[], feeds: Feeds): Feed<PublicKey>[] {
  return uses
    .filter(({ policy }) => policy === SIGNING_POLICY)
    .map(({ policy, options }) => feeds.find<PublicKey>(feedOwner(policy, options), PUBLIC_KEYS_FEED));
}

export function respondJwks(feeds: readonly Feed<PublicKey>[]): Dispatch {
  let versions = '';
  let answer: Dispatch | null = null;
  return function jwks(call, sink) {
    const found = feeds.map(({ version }) => version).join(' ');
    if (found !== versions) {
      versions = found;
      answer = respondWithKeys(feeds);
    }
    if (answer === null) sink.fail(errors.identityUnavailable);
    else answer(call, sink);
  };
}

/** Null while there is none: an empty set would be believed and kept. */
function respondWithKeys(feeds: readonly Feed<PublicKey>[]): Dispatch | null {
  const keys = new Map(feeds.flatMap((feed) => [...feed.entries()]));
  if (keys.size === 0) return null;
  const headers = [
    ['content-type', 'application/jwk-set+json'],
    ['cache-control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`],
  ] as const;
  return respondWith(200, { headers, body: JSON.stringify({ keys: [...keys.values()] }) });
}

/** A set of keys that nothing signs with stays empty. */
export function checkJwks(routes: readonly CheckedRoute[], uses: readonly PolicyUse[], context: CheckContext): void {
  if (uses.some(({ policy }) => policy === SIGNING_POLICY)) return;
  for (const { document, path } of routes) {
    if (document.target.kind !== 'jwks') continue;
    const remedy = 'Add `identityToken: true` to the routes whose services verify it.';
    context.keyWarning('no-signing-keys', 'there are no keys to publish', remedy, [...path, 'respond']);
  }
}
