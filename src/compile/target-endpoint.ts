import type { Endpoint } from '../plan/upstream.ts';
import type { TargetValue } from './model/upstream.ts';

/** A target as a configuration or a list of discovery writes it. */
export function endpointOf(target: TargetValue): Endpoint {
  const { url, weight, priority } = 'url' in target ? target : { url: target, weight: 1, priority: 0 };
  const { text, ...rest } = url;
  return { url: text, ...rest, address: null, weight, priority };
}
