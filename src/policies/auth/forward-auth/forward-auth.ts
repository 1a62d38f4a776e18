import { errors } from '../../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import type { ResponseHead } from '../../../plan/call.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import { defineIdentifier, type Identifier, type IdentifierEnv } from '../../../plan/identifier.ts';
import type { Maybe } from '../../../plan/policy.ts';
import { Reply } from '../../../plan/reply.ts';
import { type Service, ServiceError } from '../../../plan/service.ts';
import { refuse, unavailable } from '../answers.ts';
import { Outage } from '../outage.ts';
import { isCallerRevoked } from '../revocations.ts';
import { targetOf } from '../service-url.ts';
import { type Verdict, VerdictCache } from '../verdict-cache.ts';
import { type Admission, ForwardAuthReader, type Outcome, type Refusal } from './forward-auth-answer.ts';
import {
  checkForwardAuth,
  type ForwardAuthOptions,
  forwardAuthOptions,
  identityFields,
} from './forward-auth-options.ts';
import { ForwardAuthQuestion } from './forward-auth-question.ts';

const REMEMBERED_REFUSALS = 1_000;
/** A service that fails is asked again with the next request. */
const RETRY_AFTER_SECONDS = 1;

const authorization = fieldName('authorization');
const setCookie = fieldName('set-cookie');
const wwwAuthenticate = fieldName('www-authenticate');

export const forwardAuth = defineIdentifier({
  name: 'forwardAuth',
  summary:
    'Asks an HTTP service who calls: 2xx with a name lets in, 401 and 403 refuse, and anything else lets nobody in. It gets chosen fields of the request and `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For`, never a body.',
  schema: forwardAuthOptions,
  examples: [
    {
      title: 'A session service that names the user',
      options: { url: 'http://127.0.0.1:9000/verify', copy: ['x-auth-user', 'x-auth-email'] },
    },
    {
      title: 'One cookie, remembered for half a minute, with the way to the login page',
      options: {
        url: 'https://sso.example/auth',
        credentials: 'cookie',
        cookies: 'session',
        passRedirects: true,
        identity: { id: 'x-user', groups: 'x-groups' },
        cache: { ttl: '30s', key: ['method', 'host', 'path'] },
      },
    },
  ],
  credentials: ({ credentials }) => ({ headers: credentials, parameters: [] }),
  identityFields,
  check: checkForwardAuth,
  compile: (options, env) => new ForwardAuthIdentifier(options, env),
});

class ForwardAuthIdentifier implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string | null;
  readonly conceal: (exchange: Exchange) => void;
  readonly serve = null;
  readonly respond?: (exchange: Exchange, head: ResponseHead) => void;
  readonly #env: IdentifierEnv;
  readonly #options: ForwardAuthOptions;
  readonly #target: string;
  readonly #service: Service;
  readonly #question: ForwardAuthQuestion;
  readonly #reader: ForwardAuthReader;
  readonly #cache: VerdictCache<Outcome> | null;
  readonly #outage: Outage;
  /** What the service said about requests without a credential, for when nobody else knows who it is. */
  readonly #invitations = new WeakMap<Exchange, Refusal>();
  readonly #admissions = new WeakMap<Exchange, Admission>();

  constructor(options: ForwardAuthOptions, env: IdentifierEnv) {
    const { url, timeout, maxBody, cache, keep } = options;
    this.entry = env.entry;
    this.place = `service of ${env.entry}`;
    this.challenge = options.challenge ?? (options.credentials.includes(authorization.lower) ? 'Bearer' : null);
    this.#env = env;
    this.#options = options;
    this.#target = targetOf(url);
    this.#service = env.service({ url, timeout, maxBody });
    this.#question = new ForwardAuthQuestion(options);
    this.#reader = new ForwardAuthReader(options, env);
    this.#cache =
      cache === undefined ? null : new VerdictCache({ goodEntries: cache.entries, badEntries: REMEMBERED_REFUSALS });
    this.#outage = new Outage((message) => env.problem(message));
    if (options.passHeaders.includes(setCookie.lower)) {
      this.respond = (exchange, { headers }) => {
        for (const line of this.#admissions.get(exchange)?.cookies ?? []) headers.add(setCookie, line);
      };
    }
    this.conceal = (exchange) => {
      if (!keep) this.#question.conceal(exchange);
      this.#question.removeReplaced(exchange);
      if (exchange.identity?.method === this.entry) this.#copy(exchange);
    };
  }

  readonly invite = (exchange: Exchange): Reply | undefined => {
    const refusal = this.#invitations.get(exchange);
    return refusal === undefined ? undefined : this.#refuse(refusal, false);
  };

  identify(exchange: Exchange): Maybe<Identity | Reply | undefined> {
    const question = this.#question;
    const hasCredential = question.hasCredential(exchange);
    if (!hasCredential && this.#options.requireCredential) return undefined;
    if (question.isAmbiguous(exchange)) return Reply.refuse(errors.credentialAmbiguous);
    // Whoever has no credential shares no verdict: nothing tells one such client from the next.
    const key = this.#cache === null || !hasCredential ? null : question.key(exchange);
    const remembered = key === null ? undefined : this.#cache?.get(key);
    if (remembered !== undefined) return this.#apply(exchange, remembered, hasCredential);
    return this.#ask(exchange, key, question.headers(exchange), hasCredential);
  }

  close(): void {
    this.#outage.close();
  }

  async #ask(
    exchange: Exchange,
    key: string | null,
    headers: HeaderBlock,
    hasCredential: boolean,
  ): Promise<Identity | Reply | undefined> {
    let outcome: Outcome;
    try {
      if (key === null || this.#cache === null) outcome = (await this.#judge(headers)).value;
      else outcome = await this.#cache.find(key, () => this.#judge(headers));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return this.#options.onFailure === 'deny' ? unavailable(RETRY_AFTER_SECONDS) : undefined;
    }
    return this.#apply(exchange, outcome, hasCredential);
  }

  async #judge(headers: HeaderBlock): Promise<Verdict<Outcome>> {
    const { method } = this.#options;
    const body = method === 'POST' ? '' : null;
    try {
      const verdict = this.#reader.read(await this.#service.ask({ method, target: this.#target, headers, body }));
      this.#outage.works();
      return verdict;
    } catch (error) {
      if (error instanceof ServiceError) this.#outage.failed(error.message);
      throw error;
    }
  }

  #apply(exchange: Exchange, outcome: Outcome, hasCredential: boolean): Identity | Reply | undefined {
    if (outcome.kind === 'admission') return this.#admit(exchange, outcome);
    // 403 is about the request itself, and holds whoever it turns out to be.
    if (hasCredential || outcome.status === 403) return this.#refuse(outcome, hasCredential);
    this.#invitations.set(exchange, outcome);
    return undefined;
  }

  #admit(exchange: Exchange, admission: Admission): Identity | Reply {
    const { identity } = admission;
    if (isCallerRevoked(identity, null, this.#env.revocations)) {
      return refuse(errors.credentialRevoked, this.challenge);
    }
    this.#admissions.set(exchange, admission);
    return identity;
  }

  /** What it says about a caller goes with its word, and not with that of another entry. */
  #copy(exchange: Exchange): void {
    const { copied } = this.#admissions.get(exchange) ?? { copied: [] };
    for (let i = 0; i < copied.length; i++) {
      const [name, value] = copied[i] as Admission['copied'][number];
      exchange.headers.set(name, value);
    }
  }

  #refuse({ status, passed, body }: Refusal, hasCredential: boolean): Reply {
    const headers = new HeaderBlock();
    for (const [name, value] of passed) headers.add(name, value);
    if (status === 401) this.#addChallenge(headers);
    if (body !== null || (status !== 401 && status !== 403)) return new Reply(status, headers, body);
    if (status === 403) return Reply.refuse(errors.notAuthorized, null, headers);
    return Reply.refuse(hasCredential ? errors.credentialInvalid : errors.credentialMissing, null, headers);
  }

  #addChallenge(headers: HeaderBlock): void {
    if (this.challenge !== null && !headers.has(wwwAuthenticate)) headers.add(wwwAuthenticate, this.challenge);
  }
}
