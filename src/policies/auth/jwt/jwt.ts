import { hash } from 'node:crypto';
import { errors } from '../../../base/gateway-error.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import { defineIdentifier, type Identifier, type IdentifierEnv, type OptionProblem } from '../../../plan/identifier.ts';
import type { Maybe } from '../../../plan/policy.ts';
import type { Reply } from '../../../plan/reply.ts';
import { type ClaimRules, goodUntil, judgeClaims } from '../../../semantics/claims.ts';
import { type CompactJws, parseClaims, parseCompactJws } from '../../../semantics/compact-jws.ts';
import { KeySet } from '../../../semantics/key-set.ts';
import type { JsonObject } from '../../../semantics/strict-json.ts';
import { type CredentialAnswers, unavailable } from '../answers.ts';
import { bearerAnswers, bearerCredentials, bearerPlace } from '../bearer.ts';
import type { CredentialPlace } from '../credential-place.ts';
import { superviseJwks } from '../jwks/jwks.ts';
import { type JwksState, KEYS_FEED } from '../jwks/jwks-feed.ts';
import { ClaimsReader, isTokenRevoked } from '../token-claims.ts';
import { FixedKeys, type KeySource, PublishedKeys } from './jwt-keys.ts';
import { configuredKeys, isFetched, type JwtOptions, jwtOptions } from './jwt-options.ts';
import { type RememberedToken, TokenMemory } from './token-memory.ts';

/** Characters of the tokens that one entry remembers in one worker. */
const MAX_REMEMBERED_CHARACTERS = 16 * 1024 * 1024;
/** A token without an end is verified again in the long run, so that nothing rests on one look for ever. */
const LONGEST_MEMORY_MS = 3_600_000;
/** An issuer that fails is asked again within seconds. */
const RETRY_AFTER_SECONDS = 5;
/** RFC 8725, 3.11: tokens of other types (`logout+jwt`, `dpop+jwt`) mean something else, though the issuer signed them. */
const USUAL_TYPES = ['jwt', 'at+jwt'];

export const jwt = defineIdentifier({
  name: 'jwt',
  summary:
    'A JSON Web Token of an issuer whose keys are found by discovery, at a URL, or in the configuration. Each key verifies with the algorithms of its type and no others, whatever tokens say.',
  schema: jwtOptions,
  examples: [
    { title: 'An OpenID Connect provider', options: { issuer: 'https://login.example', audience: 'shop' } },
    {
      title: 'Keycloak: roles of the realm, plans by client',
      options: {
        issuer: 'https://login.example/realms/shop',
        audience: 'shop',
        roles: 'realm_access.roles',
        consumer: 'azp',
      },
    },
    {
      title: 'Access tokens (RFC 9068) whose keys are at a known place',
      options: {
        issuer: 'https://login.example',
        jwksUrl: 'https://login.example/keys',
        audience: ['shop', 'https://shop.example'],
        typ: 'at+jwt',
        algorithms: ['ES256'],
        maxAge: '1h',
      },
    },
    {
      title: 'A shared secret, the token in a cookie',
      options: { secret: '${file:/run/secrets/key-of-sessions}', issuer: 'shop', cookie: 'session' },
    },
  ],
  credentials: (options) => bearerCredentials(options),
  check: doubts,
  compile: (options, env) => new JwtIdentifier(options, env),
  supervise: (options, env) => (isFetched(options) ? superviseJwks(options, env) : { close: () => undefined }),
});

/** What is allowed, and most likely not meant. */
function doubts(options: JwtOptions): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const warn = (code: string, message: string, remedy: string, path: string[]): void => {
    problems.push({ severity: 'warning', code, message, remedy, path });
  };
  const isOurs = options.secret !== undefined || options.publicKey !== undefined;
  if (options.audience.length === 0 && !isOurs) {
    const message = 'tokens that the issuer made for other services are good here too';
    warn('any-audience', message, 'Name whom they have to be for: `audience`.', []);
  }
  if (!options.requiredClaims.includes('exp') && options.maxAge === undefined) {
    const message = 'tokens that never expire are good';
    warn('endless-tokens', message, 'Add `exp` to `requiredClaims`, or set `maxAge`.', ['requiredClaims']);
  }
  return problems;
}

export class JwtIdentifier implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string;
  readonly conceal: ((exchange: Exchange) => void) | null;
  readonly invite = null;
  readonly serve = null;
  readonly #env: IdentifierEnv;
  readonly #place: CredentialPlace;
  readonly #answers: CredentialAnswers;
  readonly #keys: KeySource;
  readonly #algorithms: ReadonlySet<string> | null;
  /** In lower case. */
  readonly #types: readonly string[];
  readonly #needsType: boolean;
  readonly #rules: ClaimRules;
  readonly #claims: ClaimsReader;
  readonly #memory: TokenMemory;
  #memoryVersion = 0;

  constructor(options: JwtOptions, env: IdentifierEnv) {
    const place = bearerPlace(options);
    this.#env = env;
    this.#place = place;
    this.#answers = bearerAnswers(options, env.entry);
    this.entry = env.entry;
    this.place = place.name;
    this.challenge = this.#answers.challenge;
    this.conceal = options.keep ? null : (exchange) => place.conceal(exchange);
    this.#keys = keySource(options, env);
    this.#algorithms = options.algorithms === undefined ? null : new Set(options.algorithms);
    this.#types = options.typ?.map(shortType) ?? USUAL_TYPES;
    this.#needsType = options.typ !== undefined;
    this.#rules = {
      issuers: options.issuer,
      audiences: options.audience,
      required: options.requiredClaims,
      maxAge: options.maxAge === undefined ? null : options.maxAge / 1000,
      skew: options.clockSkew / 1000,
    };
    this.#claims = new ClaimsReader(options, env);
    this.#memory = new TokenMemory(options.remember, MAX_REMEMBERED_CHARACTERS);
  }

  identify(exchange: Exchange): Maybe<Identity | Reply | undefined> {
    const token = this.#place.find(exchange);
    if (token === undefined) return undefined;
    if (token === null) return this.#answers.several();
    // Whoever reads the memory of this process finds no token that it keeps.
    const digest = hash('sha256', token, 'base64');
    const known = this.#find(digest);
    if (known !== undefined) {
      if (!this.#isRevoked(known)) return known.identity;
      this.#memory.forget(digest);
      return this.#answers.invalid(errors.credentialRevoked);
    }
    return this.#judge(token, digest, false);
  }

  close(): void {
    this.#memory.clear();
  }

  #find(digest: string): RememberedToken | undefined {
    const { version } = this.#keys;
    if (version !== this.#memoryVersion) {
      this.#memoryVersion = version;
      this.#memory.clear();
    }
    return this.#memory.find(digest, Date.now());
  }

  /**
   * What is cheap comes first, and nothing that the token says counts before its signature does: until then it can only be
   * refused. So a token of somebody else never makes the issuer's keys be looked for.
   */
  #judge(token: string, digest: string, hasAsked: boolean): Maybe<Identity | Reply> {
    const answers = this.#answers;
    const jws = parseCompactJws(token);
    if (jws === null) return answers.invalid(errors.tokenMalformed);
    if (!this.#accepts(jws)) return answers.invalid(errors.tokenInvalid);
    const claims = parseClaims(jws.payload);
    if (claims === null) return answers.invalid(errors.tokenMalformed);
    const finding = judgeClaims(claims, this.#rules, Date.now() / 1000);
    if (finding !== 'good') return answers.invalid(finding === 'expired' ? errors.tokenExpired : errors.tokenInvalid);
    const issuer = typeof claims.iss === 'string' ? claims.iss : null;
    const { keys, obtained, isFailing } = this.#keys.of(issuer);
    const signature = obtained ? keys.verify(jws) : 'unknown-key';
    if (signature === 'good') return this.#admit(claims, token, digest);
    if (signature === 'bad') return answers.invalid(errors.tokenInvalid);
    const search = hasAsked ? null : this.#keys.ask(issuer, jws.kid);
    if (search === 'busy') return unavailable(RETRY_AFTER_SECONDS);
    if (search !== null) return search.then(() => this.#judge(token, digest, true));
    if (obtained && !isFailing) return answers.invalid(errors.tokenInvalid);
    return unavailable(RETRY_AFTER_SECONDS);
  }

  #accepts({ algorithm, type }: CompactJws): boolean {
    if (this.#algorithms !== null && !this.#algorithms.has(algorithm)) return false;
    return type === null ? !this.#needsType : this.#types.includes(shortType(type));
  }

  #admit(claims: JsonObject, token: string, digest: string): Identity | Reply {
    const good = this.#claims.read(claims);
    if (good === null) return this.#answers.invalid(errors.tokenInvalid);
    const known: RememberedToken = {
      ...good,
      goodUntil: Math.min(goodUntil(claims, this.#rules) * 1000, Date.now() + LONGEST_MEMORY_MS),
      size: token.length,
      revocations: -1,
    };
    if (this.#isRevoked(known)) return this.#answers.invalid(errors.credentialRevoked);
    this.#memory.remember(digest, known);
    return known.identity;
  }

  /** Compared with the revocations once per version of them: signatures need not be verified again for that. */
  #isRevoked(token: RememberedToken): boolean {
    const { revocations } = this.#env;
    if (token.revocations === revocations.version) return false;
    token.revocations = revocations.version;
    return isTokenRevoked(token, revocations);
  }
}

/** RFC 7515, 4.1.9: `application/` may be left out. RFC 2045, 5.1: types are compared without regard to case. */
function shortType(type: string): string {
  return type.toLowerCase().replace(/^application\/(?=[^/]*$)/, '');
}

function keySource(options: JwtOptions, env: IdentifierEnv): KeySource {
  if (isFetched(options)) {
    const isPerIssuer = options.jwksUrl === undefined && options.issuer.length > 1;
    return new PublishedKeys(env.feed<JwksState>(KEYS_FEED), isPerIssuer);
  }
  const keys = configuredKeys(options).flatMap(({ parsed }) => (parsed.ok ? parsed.value : []));
  return new FixedKeys(new KeySet(keys));
}
