import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import type { IdentifierEnv } from '../../../plan/identifier.ts';
import { type ServiceAnswer, ServiceError } from '../../../plan/service.ts';
import { type ClaimRules, goodUntil, judgeClaims } from '../../../semantics/claims.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../../semantics/strict-json.ts';
import { ClaimsReader, type GoodToken } from '../token-claims.ts';
import type { Verdict } from '../verdict-cache.ts';
import type { IntrospectionOptions } from './introspection-options.ts';

/** A token that was good when the issuer was asked. */
export interface ActiveToken extends GoodToken {
  readonly refusal: null;
}

export interface RefusedToken {
  readonly refusal: GatewayError;
}

export type TokenOutcome = ActiveToken | RefusedToken;

const MAX_DEPTH = 16;
/** Bytes of an answer that is remembered: ten thousand larger ones would be the memory of a worker. */
const MAX_REMEMBERED = 8_192;

/** Reads answers of an introspection endpoint (RFC 7662, 2.2). What is neither yes nor no throws: nobody is refused by it. */
export class IntrospectionReader {
  readonly #rules: ClaimRules;
  readonly #requiredScopes: readonly string[];
  readonly #ttl: number;
  readonly #inactiveTtl: number;
  readonly #claims: ClaimsReader;

  constructor(options: IntrospectionOptions, env: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>) {
    this.#rules = {
      issuers: options.issuer,
      audiences: options.audience,
      required: [],
      maxAge: null,
      skew: options.clockSkew / 1_000,
    };
    this.#requiredScopes = options.requiredScopes;
    this.#ttl = options.cache.ttl;
    this.#inactiveTtl = options.cache.inactive;
    this.#claims = new ClaimsReader(options, env);
  }

  /** `now`: seconds since the epoch. */
  read({ status, body }: ServiceAnswer, now: number): Verdict<TokenOutcome> {
    // RFC 7662, 2.3: it is the gateway that the endpoint does not know, and not the caller.
    if (status === 401 || status === 403)
      throw unusable(`${status}: does it know \`client.id\` and \`client.secret\`?`);
    if (status !== 200) throw unusable(String(status));
    const said = parseStrictJson(body, MAX_DEPTH);
    if (!isJsonObject(said) || typeof said.active !== 'boolean') throw unusable('what is no introspection');
    if (!said.active) return this.#refused(errors.tokenInvalid);
    const verdict = this.#active(present(said), now);
    return body.length > MAX_REMEMBERED ? { ...verdict, ttl: 0 } : verdict;
  }

  #active(claims: JsonObject, now: number): Verdict<TokenOutcome> {
    for (const name of ['exp', 'nbf', 'iat']) {
      const time = claims[name];
      if (time !== undefined && typeof time !== 'number') throw unusable(`with an \`${name}\` that is no number`);
    }
    const finding = judgeClaims(claims, this.#rules, now);
    if (finding !== 'good') return this.#refused(finding === 'expired' ? errors.tokenExpired : errors.tokenInvalid);
    const token = this.#claims.read(claims);
    if (token === null) return this.#refused(errors.tokenInvalid);
    const { scopes } = token.identity;
    if (!this.#requiredScopes.every((scope) => scopes.includes(scope))) return this.#refused(errors.scopeMissing);
    const left = (goodUntil(claims, this.#rules) - now) * 1_000;
    return { value: { ...token, refusal: null }, isGood: true, ttl: Math.min(this.#ttl, left) };
  }

  #refused(refusal: GatewayError): Verdict<TokenOutcome> {
    return { value: { refusal }, isGood: false, ttl: this.#inactiveTtl };
  }
}

/** What some servers say of members that they do not have is `null`. */
function present(said: JsonObject): JsonObject {
  return Object.freeze(Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null)));
}

function unusable(what: string): ServiceError {
  return new ServiceError('malformed', `the service answered ${what}`);
}
