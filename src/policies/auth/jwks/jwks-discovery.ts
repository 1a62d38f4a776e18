import { type FetchedDocument, FetchFailure, forPeople } from './jwks-fetch.ts';
import { isObject } from './jwks-parse.ts';

const MAX_QUOTED = 200;

/**
 * Where an issuer has its keys, by its own word. `get` throws `FetchFailure`. Of the two places the first that exists
 * counts, so that trouble at one is never taken for its absence.
 */
export async function discoverKeys(issuer: string, get: (url: URL) => Promise<FetchedDocument>): Promise<URL> {
  let absent: FetchFailure | null = null;
  for (const place of metadataPlaces(new URL(issuer))) {
    try {
      return keysUrl(issuer, place, (await get(place)).document);
    } catch (error) {
      if (!(error instanceof FetchFailure) || !isAbsent(error)) throw error;
      absent ??= error;
    }
  }
  throw absent;
}

/** OpenID Connect Discovery 1.0, 4: after the issuer's path. RFC 8414, 3.1: between host and path. */
function metadataPlaces({ origin, pathname }: URL): URL[] {
  const path = pathname.replace(/\/$/, '');
  return [
    new URL(`${origin}${path}/.well-known/openid-configuration`),
    new URL(`${origin}/.well-known/oauth-authorization-server${path}`),
  ];
}

/** There are servers that answer 400 or 405 to what they do not know; 408, 425 and 429 say nothing about what is there. */
function isAbsent({ status }: FetchFailure): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}

function keysUrl(issuer: string, place: URL, metadata: unknown): URL {
  const refuse = (reason: string): never => {
    throw new FetchFailure(`${forPeople(place)}: ${reason}`);
  };
  if (!isObject(metadata)) return refuse('is no metadata of an issuer');
  // RFC 8414, 3.3: identical, or whoever is under attack here could be sent to the keys of another.
  if (metadata.issuer !== issuer) {
    const other = JSON.stringify(metadata.issuer ?? null).slice(0, MAX_QUOTED);
    return refuse(`says that its issuer is ${other}, and not ${JSON.stringify(issuer)}`);
  }
  const url = typeof metadata.jwks_uri === 'string' ? URL.parse(metadata.jwks_uri) : null;
  if (url === null) return refuse('names no keys (`jwks_uri`)');
  if (url.protocol === 'https:' || (url.protocol === 'http:' && place.protocol === 'http:')) return url;
  return refuse(`has its keys at ${forPeople(url)}, which is not safe`);
}
