import { UpstreamCall } from '../../plan/call.ts';
import type { Condition } from '../../plan/condition.ts';
import type { Exchange } from '../../plan/exchange.ts';
import type { Finding } from '../../plan/policy.ts';
import type { CacheKey } from './cache-key.ts';
import type { CacheOptions } from './options.ts';
import type { ServiceRequest } from './service-request.ts';
import type { Told } from './told.ts';

export interface ExplainedLayer {
  readonly options: CacheOptions;
  readonly key: CacheKey;
  readonly told: Told;
  readonly service: ServiceRequest;
  readonly bypass: readonly Condition[];
  readonly noStore: readonly Condition[];
}

/** Whether and how a request would be cached, as far as the service has no say. */
export function explainCache(layer: ExplainedLayer, exchange: Exchange, isCallerKnown: boolean): Finding[] {
  const { options, key, told, service, bypass, noStore } = layer;
  const { method, path, query, upstreamTarget } = exchange;
  const findings: Finding[] = [];
  const say = (text: string, holds: boolean | null = null, at: readonly (string | number)[] = []): void => {
    findings.push({ text, holds, path: at });
  };
  if (method === 'PURGE' && options.purge !== false) {
    say('removes what is stored of this URL, with all its variants', null, ['purge']);
    return findings;
  }
  if (!(options.methods as readonly string[]).includes(method)) {
    say(`${method} is not answered from the cache`, null, ['methods']);
    return findings;
  }
  const call = new UpstreamCall(
    method,
    upstreamTarget ?? (query === '' ? path : `${path}?${query}`),
    exchange.host,
    exchange.headers,
    exchange.body,
    exchange,
  );
  if (service.isTurned(call)) {
    say('goes past the cache: one of its header fields may make another request of it');
    return findings;
  }
  for (const [index, condition] of bypass.entries()) {
    const holds = condition.holds(exchange);
    say(`${holds ? 'goes past the cache' : 'may be answered from the cache'}: ${condition.source}`, null, [
      'bypass',
      ...(bypass.length === 1 ? [] : [index]),
    ]);
    if (holds) return findings;
  }
  const target = key.target(call.target);
  const primary = key.primary(call, target);
  if (primary === '') {
    say('goes past the cache: its URL is too long');
    return findings;
  }
  say(`is looked up by ${shown(primary)}`);
  const parts = key.parts(call);
  if (parts === null) say('goes past the cache: what the key needs of it is too long', null, ['key']);
  else if (parts !== '') say(`and by ${shown(parts)}`, null, ['key']);
  if (noStore.some((condition) => condition.holds(exchange))) say('its response is not kept', null, ['noStore']);
  if (!isCallerKnown) return findings;
  if (told.isTold(call, target)) {
    say(
      'the service is told who calls: its response is kept only if it says itself that it is for everybody (`public`, `s-maxage`), and for how long',
      null,
      ['shared'],
    );
  } else if (told.hasCookies(call)) {
    say('it has cookies: its response is kept only if it says itself for how long', null, ['cookies']);
  }
  return findings;
}

/** Lines of a key as one. */
function shown(text: string): string {
  return text
    .trimEnd()
    .replaceAll('\n', ' · ')
    .replaceAll(/[^ -~·]/g, '?');
}
