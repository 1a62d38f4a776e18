import type { HeaderBlock } from '../../base/headers.ts';
import type { Dispatch, Sink, UpstreamCall } from '../../plan/call.ts';
import type { ResponseStore } from '../../plan/response-store.ts';
import type { SharedResponses } from '../../plan/shared-responses.ts';
import type { CacheRules, StoredPolicy } from '../../semantics/caching/policy.ts';
import type { RequestDirectives } from '../../semantics/caching/request-directives.ts';
import type { Failures } from './failures.ts';
import type { Outcomes } from './outcomes.ts';
import type { RecentKeys } from './recent.ts';
import type { ServiceRequest } from './service-request.ts';
import type { StoredHeads } from './stored-head.ts';
import type { TagReader } from './tags.ts';
import type { Variants, Wanted } from './variants.ts';

/** A request that the cache answers, or has answered, once it is more than a plain hit. */
export interface Asked extends Wanted {
  readonly call: UpstreamCall;
  /** Null: nobody waits, it is a refresh. */
  readonly sink: Sink | null;
  readonly primary: string;
  readonly parts: string;
  readonly headers: HeaderBlock;
  /** What the service is asked for. */
  readonly target: string;
  readonly directives: RequestDirectives | null;
  /** How a response to it is judged: not all that a route says holds for everybody. */
  readonly rules: CacheRules;
  readonly isTold: boolean;
  readonly mayStore: boolean;
  /** Milliseconds since the epoch: what came later is new enough, whatever it says. */
  readonly since: number;
  /** How often it has waited for somebody else's response that was none for it. */
  turns: number;
}

/** What the parts of one cache layer share. */
export interface Workings {
  readonly next: Dispatch;
  readonly store: ResponseStore;
  readonly shared: SharedResponses;
  readonly heads: StoredHeads;
  readonly variants: Variants;
  readonly service: ServiceRequest;
  readonly outcomes: Outcomes;
  readonly failures: Failures;
  readonly tags: TagReader;
  /** Primary keys whose responses could not be stored: nobody waits for them. */
  readonly unstorable: RecentKeys;
  readonly maxEntry: number;
  /** Keeps a response for other machines too. `since`: what was known of purges when it was asked for. */
  share(asked: Asked, key: string, policy: StoredPolicy, since: string): void;
  /** The response that it waited for is none for it: from the beginning. */
  again(asked: Asked): void;
  /** There is none to wait for any more. `key`: of what it waited for. */
  letGo(asked: Asked, key: string): void;
  /** It asks the service itself. */
  alone(asked: Asked): void;
}
