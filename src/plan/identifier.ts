import type { z } from 'zod';
import type { ResponseHead } from './call.ts';
import type { Exchange, Identity } from './exchange.ts';
import type { Feed } from './feed.ts';
import type { Example, LogSink, Maybe, Supervised, SuperviseEnv } from './policy.ts';
import type { Reply } from './reply.ts';
import type { Service, ServiceOptions } from './service.ts';

/**
 * An entry of `auth` at work: it looks for one kind of credential and says whose it is. It outlives plans: over a reload
 * an entry with equal options goes on with what it remembers.
 */
export interface Identifier {
  /** Name of the entry, for `Identity.method`. */
  readonly entry: string;
  /**
   * Where it looks, e.g. `bearer authorization`. Entries with the same place are alternatives for one credential, which is
   * refused when none of them takes it; a credential at another place is a matter of its own.
   */
  readonly place: string;
  /** For 401 without a credential (RFC 9110, 11.6.1), e.g. `Bearer realm="shop"`; null: none. */
  readonly challenge: string | null;
  /**
   * `undefined`: no credential of this kind. A reply: there is one and it is not good (401), or it cannot be judged now
   * (503). Synchronous whenever what it takes is remembered.
   */
  identify(exchange: Exchange): Maybe<Identity | Reply | undefined>;
  /** Takes the credential out of what the service will see. Null: it is kept on purpose. */
  readonly conceal: ((exchange: Exchange) => void) | null;
  /** Null: 401 with the challenges. Else the answer when nobody identified, e.g. the way to a login page. */
  readonly invite: ((exchange: Exchange) => Reply | undefined) | null;
  /** Adds to a response for a caller whom it identified, e.g. a session's renewed cookie. Must not wait. */
  readonly respond?: (exchange: Exchange, head: ResponseHead) => void;
  /** Answers at one of its own paths (`IdentifierModule.endpoints`); null: it has none. */
  readonly serve: ((endpoint: string, exchange: Exchange) => Maybe<Reply>) | null;
  close(): void;
}

/** How callers identify on a route, for policies that come after: `Exchange.authentication`. */
export interface Authentication {
  /** The answer to a request that needs an identity and has none: 401 with the challenges, or the way to a login. */
  invite(exchange: Exchange): Reply;
  /** Challenge of an entry (`Identity.method`), to be completed with what its credential lacks; null: it has none. */
  challengeOf(entry: string): string | null;
}

/** A caller that the configuration knows by name. */
export interface Consumer {
  readonly plan: string | null;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  /** Keys of this entry, by their notation in the configuration. */
  readonly keys: readonly string[];
}

/** What an identifier may use, once per distinct entry. */
export interface IdentifierEnv {
  readonly entry: string;
  /** Those that the configuration names, by name. */
  readonly consumers: ReadonlyMap<string, Consumer>;
  /** The entry's `plan`: for callers who have none of their own. */
  readonly defaultPlan: string | null;
  /** What this entry's `supervise` publishes under that name. */
  feed<V>(name: string): Feed<V>;
  readonly revocations: Revocations;
  /** A service to ask; closed with the identifier. */
  service(options: ServiceOptions): Service;
  readonly log: LogSink;
  /** A defect or an outage, for the process's log: rate-limited by whoever calls. */
  problem(message: string): void;
}

/** What was withdrawn before its time. */
export interface Revocations {
  /** Goes up with every change: what was remembered under another version is judged again. */
  readonly version: number;
  /** `at`: seconds since the epoch at which a token was issued; null when unknown. A later token of a revoked subject is good. */
  isRevoked(kind: RevocationKind, id: string, at: number | null): boolean;
}
export const revocationKinds = ['token', 'subject', 'key', 'consumer'] as const;
export type RevocationKind = (typeof revocationKinds)[number];

/** A path of its own that an entry answers on every gateway whose routes use it, such as a login's callback. */
export interface IdentifierEndpoint {
  readonly name: string;
  readonly methods: readonly string[];
  readonly path: string;
}

/** Fields and query parameters that carry credentials, in lower case. */
export interface CredentialNames {
  readonly headers: readonly string[];
  readonly parameters: readonly string[];
}

/** One kind of credential: one file, and one line in `policies/auth/registry.ts`. */
export interface IdentifierModule<O = unknown> {
  /** Its key in an entry of `auth`. */
  readonly name: string;
  readonly summary: string;
  readonly schema: z.ZodType<O>;
  readonly examples: readonly Example<O>[];
  endpoints?(options: O): readonly IdentifierEndpoint[];
  /** Where clients put the credential, so that no log shows it. */
  credentials?(options: O): CredentialNames;
  /** Fields of the request that it fills for the service: what clients put there is removed on every route. */
  identityFields?(options: O): readonly string[];
  /** What is wrong with the options beyond their schema; paths are inside the options. */
  check?(options: O, consumers: ReadonlyMap<string, Consumer>): readonly OptionProblem[];
  compile(options: O, env: IdentifierEnv): Identifier;
  /** On the main thread, for as long as a configuration has this entry. */
  supervise?(options: O, env: IdentifierSuperviseEnv): Supervised;
}

export interface OptionProblem {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly path: readonly (string | number)[];
}

export interface IdentifierSuperviseEnv extends SuperviseEnv {
  readonly entry: string;
  readonly consumers: ReadonlyMap<string, Consumer>;
}

/** Gives a module its options' type and keeps the registry free of it. */
export function defineIdentifier<O>(module: IdentifierModule<O>): IdentifierModule<O> {
  return module as IdentifierModule<O>;
}
