import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import { defineIdentifier, type Identifier, type IdentifierEnv, type Revocations } from '../../../plan/identifier.ts';
import type { Maybe } from '../../../plan/policy.ts';
import type { Reply } from '../../../plan/reply.ts';
import { type Service, type ServiceAnswer, ServiceError, type ServiceRequest } from '../../../plan/service.ts';
import { type CredentialAnswers, unavailable } from '../answers.ts';
import { bearerAnswers, bearerCredentials, bearerPlace } from '../bearer.ts';
import type { CredentialPlace } from '../credential-place.ts';
import { Outage } from '../outage.ts';
import { targetOf } from '../service-url.ts';
import { isTokenRevoked } from '../token-claims.ts';
import { type Verdict, VerdictCache, verdictKey } from '../verdict-cache.ts';
import { IntrospectionReader, type TokenOutcome } from './introspection-answer.ts';
import { type IntrospectionOptions, introspectionOptions } from './introspection-options.ts';

const REMEMBERED_REFUSALS = 10_000;
/** Characters, and RFC 6749, A.12: what is no token of any issuer is not asked about. */
const MAX_TOKEN = 16_384;
const TOKEN = /^[!-~]+$/;
/** A service that fails is asked again with the next token. */
const RETRY_AFTER_SECONDS = 1;

export const introspection = defineIdentifier({
  name: 'introspection',
  summary:
    'Opaque bearer tokens: the issuer is asked whether they are good (RFC 7662), and for a short time its answer is remembered.',
  schema: introspectionOptions,
  credentials: (options) => bearerCredentials(options),
  examples: [
    {
      title: 'Tokens of an authorization server',
      options: {
        url: 'https://login.example/oauth2/introspect',
        client: { id: 'gateway', secret: '0c8e4f' },
        audience: 'shop',
      },
    },
    {
      title: 'Asked each time, with the client’s plan',
      options: {
        url: 'http://127.0.0.1:9000/introspect',
        client: { id: 'gateway', secret: '0c8e4f', authentication: 'client_secret_post' },
        consumer: 'client_id',
        cache: { ttl: 0, inactive: 0 },
      },
    },
  ],
  compile: (options, env) => new IntrospectionIdentifier(options, env),
});

class IntrospectionIdentifier implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string;
  readonly conceal: ((exchange: Exchange) => void) | null;
  readonly invite = null;
  readonly serve = null;
  readonly #revocations: Revocations;
  readonly #place: CredentialPlace;
  readonly #answers: CredentialAnswers;
  readonly #requiredScopes: string;
  readonly #service: Service;
  readonly #request: (token: string) => ServiceRequest;
  readonly #reader: IntrospectionReader;
  readonly #cache: VerdictCache<TokenOutcome>;
  readonly #outage: Outage;

  constructor(options: IntrospectionOptions, env: IdentifierEnv) {
    const { url, timeout, maxBody, cache, keep, requiredScopes } = options;
    const place = bearerPlace(options);
    this.entry = env.entry;
    this.place = place.name;
    this.conceal = keep ? null : (exchange) => place.conceal(exchange);
    this.#place = place;
    this.#answers = bearerAnswers(options, env.entry);
    this.challenge = this.#answers.challenge;
    this.#requiredScopes = requiredScopes.join(' ');
    this.#revocations = env.revocations;
    this.#service = env.service({ url, timeout, maxBody });
    this.#request = requestMaker(options);
    this.#reader = new IntrospectionReader(options, env);
    this.#cache = new VerdictCache({ goodEntries: cache.entries, badEntries: REMEMBERED_REFUSALS });
    this.#outage = new Outage((message) => env.problem(message));
  }

  identify(exchange: Exchange): Maybe<Identity | Reply | undefined> {
    const token = this.#place.find(exchange);
    if (token === undefined) return undefined;
    if (token === null) return this.#answers.several();
    if (token.length > MAX_TOKEN || !TOKEN.test(token)) return this.#refuse(errors.tokenMalformed);
    const key = verdictKey([token]);
    const remembered = this.#cache.get(key);
    return remembered === undefined ? this.#ask(key, token) : this.#apply(remembered);
  }

  close(): void {
    this.#outage.close();
  }

  async #ask(key: string, token: string): Promise<Identity | Reply> {
    try {
      return this.#apply(await this.#cache.find(key, () => this.#judge(token)));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return unavailable(RETRY_AFTER_SECONDS);
    }
  }

  async #judge(token: string): Promise<Verdict<TokenOutcome>> {
    try {
      const answer = await this.#askTwiceAtMost(token);
      const verdict = this.#reader.read(answer, Date.now() / 1_000);
      this.#outage.works();
      return verdict;
    } catch (error) {
      if (error instanceof ServiceError) this.#outage.failed(error.message);
      throw error;
    }
  }

  /** A kept connection may end just when it is used. To ask is no harm, so this POST may be repeated (RFC 9110, 9.2.2). */
  async #askTwiceAtMost(token: string): Promise<ServiceAnswer> {
    try {
      return await this.#service.ask(this.#request(token));
    } catch (error) {
      if (!(error instanceof ServiceError) || error.reason !== 'reset') throw error;
      return await this.#service.ask(this.#request(token));
    }
  }

  #apply(outcome: TokenOutcome): Identity | Reply {
    if (outcome.refusal !== null) return this.#refuse(outcome.refusal);
    return isTokenRevoked(outcome, this.#revocations) ? this.#refuse(errors.credentialRevoked) : outcome.identity;
  }

  #refuse(error: GatewayError): Reply {
    if (error === errors.scopeMissing) return this.#answers.outOfScope(this.#requiredScopes);
    return this.#answers.invalid(error);
  }
}

/** RFC 7662, 2.1, with the gateway's credentials (RFC 6749, 2.3.1). */
function requestMaker({ url, client }: IntrospectionOptions): (token: string) => ServiceRequest {
  const target = targetOf(url);
  const { id, secret, authentication } = client;
  const isBasic = authentication === 'client_secret_basic';
  const headers = HeaderBlock.of([
    ['accept', 'application/json'],
    ['content-type', 'application/x-www-form-urlencoded'],
  ]);
  if (isBasic) {
    const pair = Buffer.from(`${formEncoded(id)}:${formEncoded(secret)}`).toString('base64');
    headers.add(fieldName('authorization'), `Basic ${pair}`);
  }
  const credentials = isBasic ? '' : `&client_id=${formEncoded(id)}&client_secret=${formEncoded(secret)}`;
  return (token) => ({
    method: 'POST',
    target,
    headers: headers.clone(),
    body: `token=${formEncoded(token)}&token_type_hint=access_token${credentials}`,
  });
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
