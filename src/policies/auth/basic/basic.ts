import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import { defineIdentifier, type Identifier, type IdentifierEnv } from '../../../plan/identifier.ts';
import type { Maybe } from '../../../plan/policy.ts';
import { Reply } from '../../../plan/reply.ts';
import { type BasicCredentials, parseBasicCredentials } from '../../../semantics/basic-credentials.ts';
import { subscriberOf } from '../../../semantics/cidr.ts';
import { type PasswordHash, parsePasswordHash } from '../../../semantics/password-hash.ts';
import { ExpiringMap } from '../expiring-map.ts';
import { identityOf } from '../identity.ts';
import { Outage } from '../outage.ts';
import { type BasicOptions, basicOptions, checkBasic, writtenUsers } from './basic-options.ts';
import { verifyPassword } from './password-verification.ts';
import { WorkQueue } from './work-queue.ts';

/** Credentials remembered by each worker, right ones and wrong ones apart: a flood of the latter evicts none of the former. */
const REMEMBERED = 10_000;
const NEGATIVE_TTL_MS = 10_000;
/** Characters of base64. */
const MAX_CREDENTIALS = 1024;
const SCHEME = /^basic +/i;

const authorization = fieldName('authorization');
const wwwAuthenticate = fieldName('www-authenticate');

interface User {
  readonly hash: PasswordHash;
  readonly identity: Identity;
}

export const basic = defineIdentifier({
  name: 'basic',
  summary: 'User name and password in `Authorization` (RFC 7617), held against scrypt, Argon2id or bcrypt hashes.',
  schema: basicOptions,
  examples: [
    {
      title: 'Two users',
      options: {
        realm: 'staging',
        users: {
          alice: '$scrypt$ln=17,r=8,p=1$c29tZSBzYWx0IGhlcmU$vI/sxxVbeKQFRH/QUpWJJ0nGP5PDQ1a4l4LKAfL7cAU',
          bob: {
            password: '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
            roles: 'admin',
          },
        },
      },
    },
    {
      title: 'The users of a file',
      options: { htpasswd: 'alice:$2y$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW' },
    },
  ],
  check: checkBasic,
  compile: (given, env) => new BasicIdentifier(given, env),
});

class BasicIdentifier implements Identifier {
  readonly entry: string;
  readonly place = 'basic authorization';
  readonly challenge: string;
  readonly invite = null;
  readonly serve = null;
  readonly conceal: ((exchange: Exchange) => void) | null;
  readonly #env: IdentifierEnv;
  readonly #users = new Map<string, User>();
  readonly #all: readonly User[];
  readonly #remember: number;
  readonly #queue: WorkQueue;
  /** What is remembered cannot be found out from a dump of the memory alone without guessing anew. */
  readonly #key: KeyObject = createSecretKey(randomBytes(32));
  readonly #right = new ExpiringMap<Identity>(REMEMBERED);
  readonly #wrong = new ExpiringMap<true>(REMEMBERED);
  readonly #underWay = new Map<string, Promise<Identity | 'wrong' | 'failed'>>();
  readonly #outage: Outage;

  constructor(given: BasicOptions, env: IdentifierEnv) {
    this.#env = env;
    this.entry = env.entry;
    this.#outage = new Outage((message) => env.problem(message));
    this.challenge = `Basic realm="${given.realm}", charset="UTF-8"`;
    this.conceal = given.keep ? null : conceal;
    this.#remember = given.remember;
    this.#queue = new WorkQueue(given.concurrency, given.pending);
    for (const { name, text, consumer = null, roles = [], groups = [] } of writtenUsers(given)) {
      const parsed = parsePasswordHash(text);
      if (!parsed.ok) throw new Error(parsed.message);
      const identity = identityOf({ id: name, consumer, roles, groups }, env);
      this.#users.set(name, { hash: parsed.value, identity });
    }
    this.#all = [...this.#users.values()];
  }

  identify(exchange: Exchange): Maybe<Identity | Reply | undefined> {
    const field = exchange.headers.get(authorization);
    if (field === undefined) return undefined;
    const scheme = SCHEME.exec(field);
    if (scheme === null) return undefined;
    const encoded = field.slice(scheme[0].length);
    // Of two fields the service may read the other one.
    if (encoded.length > MAX_CREDENTIALS || exchange.headers.occurrences(authorization) > 1) return this.#refuse();
    const key = createHmac('sha256', this.#key).update(encoded).digest('base64');
    const now = performance.now();
    const identity = this.#right.get(key, now);
    if (identity !== undefined) return this.#admit(identity);
    if (this.#wrong.get(key, now)) return this.#refuse();
    let verdict = this.#underWay.get(key) ?? null;
    if (verdict === null) {
      const credentials = parseBasicCredentials(encoded);
      if (credentials === null) return this.#refuse();
      verdict = this.#verify(key, credentials, subscriberOf(exchange.clientAddress));
      if (verdict === null) return Reply.refuse(errors.identityUnavailable);
    }
    return this.#answer(verdict);
  }

  close(): void {
    this.#right.clear();
    this.#wrong.clear();
  }

  async #answer(verdict: Promise<Identity | 'wrong' | 'failed'>): Promise<Identity | Reply> {
    const found = await verdict;
    if (found === 'failed') return Reply.refuse(errors.identityUnavailable);
    return found === 'wrong' ? this.#refuse() : this.#admit(found);
  }

  /** Null: too many wait already. */
  #verify(key: string, credentials: BasicCredentials, client: string): Promise<Identity | 'wrong' | 'failed'> | null {
    const { user, password } = credentials;
    const known = this.#users.get(user);
    const { hash } = known ?? this.#standInFor(user);
    const work = this.#queue.run(client, () => verifyPassword(password, hash));
    if (work === null) return null;
    const verdict = this.#judge(key, known, work);
    this.#underWay.set(key, verdict);
    return verdict;
  }

  async #judge(key: string, user: User | undefined, work: Promise<boolean>): Promise<Identity | 'wrong' | 'failed'> {
    try {
      const matches = await work;
      this.#outage.works();
      const now = performance.now();
      if (matches && user !== undefined) {
        this.#right.set(key, user.identity, now + this.#remember);
        return user.identity;
      }
      this.#wrong.set(key, true, now + NEGATIVE_TTL_MS);
      return 'wrong';
    } catch (error) {
      this.#outage.failed(`passwords cannot be verified: ${error instanceof Error ? error.message : String(error)}`);
      return 'failed';
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** An unknown name takes as long as a known one, and always as long as the same one: hashes may differ in cost. */
  #standInFor(user: string): User {
    const digest = createHmac('sha256', this.#key).update(user).digest();
    return this.#all[digest.readUInt32BE() % this.#all.length] as User;
  }

  /** Revocations are asked every time: they are few, and a look into a map. */
  #admit(identity: Identity): Identity | Reply {
    const { revocations } = this.#env;
    const isRevoked =
      revocations.isRevoked('subject', identity.id, null) ||
      (identity.consumer !== null && revocations.isRevoked('consumer', identity.consumer, null));
    return isRevoked ? this.#refuse(errors.credentialRevoked) : identity;
  }

  #refuse(error: GatewayError = errors.credentialInvalid): Reply {
    return Reply.refuse(error, null, HeaderBlock.of([[wwwAuthenticate.lower, this.challenge]]));
  }
}

function conceal({ headers }: Exchange): void {
  const field = headers.get(authorization);
  if (field !== undefined && SCHEME.test(field)) headers.remove(authorization);
}
