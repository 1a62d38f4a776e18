/**
 * The closed lists that order everything (`docs/life-of-a-request.md`). Inside one phase or layer the policy registry's
 * order holds, then users' policies as listed; there are no numbers and no re-ordering.
 */
export const requestPhases = [
  'guard', // address lists, sizes, removal of identity headers: cheap refusals first
  'preflight', // CORS preflights are answered without credentials
  'identify',
  'authorize',
  'throttle',
  'inspect', // contracts, firewall rules
  'rewrite', // what the upstream will see
] as const;
export type RequestPhase = (typeof requestPhases)[number];

/** Outermost first, around one target. */
export const dispatchLayers = [
  'fallback',
  'cache', // keys on what the upstream would see
  'transform', // before the response is stored
  'mirror',
  'deadline',
  'admit',
  'retry',
  'endpoint',
  'breaker',
  'fault',
  'sign',
] as const;
export type DispatchLayer = (typeof dispatchLayers)[number];
