import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import { listOf, regex } from '../plan/fields.ts';
import { type CompileEnv, definePolicy, type Finding, type LogSink, type RequestHook } from '../plan/policy.ts';
import type { Reply } from '../plan/reply.ts';
import { refuseOrReport } from '../plan/report.ts';
import { parseClaimPath, readClaim } from '../semantics/claim-path.ts';
import { LinearRegex } from '../semantics/linear-regex.ts';

const NOTHING = { message: 'this list asks for nothing', params: { remedy: 'Name at least one, or leave it out.' } };
const names = <T extends z.ZodType>(item: T) => listOf(item).refine((list) => list.length > 0, NOTHING);
const name = z.string().min(1);

/** RFC 6749, 3.3: what can stand in a list of scopes. */
const scope = z
  .string()
  .meta({ expects: 'a scope such as `orders:read`', examples: ['orders:read'] })
  .regex(/^[!#-[\]-~]+$/, 'a scope is one word without quotes and backslashes');

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const claim = z.union([
  names(scalar),
  z.strictObject({ regex: regex().describe('Fits the whole text of the claim.') }),
]);

const options = z
  .strictObject({
    scopes: names(scope).optional().describe('Scopes that the credential must have, all of them.'),
    anyScope: names(scope).optional().describe('Scopes of which the credential must have one.'),
    roles: names(name).optional().describe('Roles of which the caller must have one.'),
    groups: names(name).optional().describe('Groups of which the caller must be in one.'),
    consumers: names(name).optional().describe('Consumers of which the caller must be one.'),
    claims: z
      .record(name, claim)
      .optional()
      .describe(
        'Claims by name or path (`realm.tier`, `/names.with/dots`): a value, a list of which one will do, or `{ regex }`. A claim that is a list needs one item that fits.',
      ),
    require: names(name).optional().describe('CEL conditions that must hold, all of them. An error denies.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .refine(({ report: _, ...asks }) => Object.values(asks).some((ask) => ask !== undefined), {
    message: 'this asks for nothing',
    params: { remedy: 'Add `scopes`, `roles`, `require` or another key.' },
  });

type Options = z.output<typeof options>;

export const authorize = definePolicy({
  name: 'authorize',
  summary:
    'What a caller must be or have, once it is known who calls: everything that is named must hold. Who has not identified gets 401, everybody else 403.',
  schema: options,
  examples: [
    { title: 'A scope', options: { scopes: 'orders:read' } },
    {
      title: 'One’s own record, or an administrator',
      options: { scopes: 'users:read', require: "identity.id == query.user || 'admin' in identity.roles" },
    },
    {
      title: 'By what the token says',
      options: { claims: { tier: ['gold', 'platinum'], email: { regex: '.+@shop\\.example' }, email_verified: true } },
    },
    { title: 'Watch a rule before it bites', options: { roles: 'support', report: true } },
  ],
  compile(given, env) {
    const checks = checksOf(given, env);
    const reads = checks.flatMap(({ reads: facts = [] }) => facts);
    const request = new Authorize(checks, scopesFor(given), given.report, env.log);
    return { reads: [...new Set(['identity' as const, ...reads])], request };
  },
});

/** One thing that is asked of the caller. */
interface Check extends Pick<Finding, 'path'> {
  readonly reads?: readonly ('identity' | 'requestId')[];
  readonly isScope: boolean;
  /** For operators: in log lines and explanations. */
  readonly words: string;
  holds(identity: Identity, exchange: Exchange): boolean;
  /** What there is instead, for an explanation. */
  found(identity: Identity, exchange: Exchange): string;
}

function checksOf(given: Options, env: CompileEnv): Check[] {
  const { scopes, anyScope, roles, groups, consumers, claims = {}, require = [] } = given;
  const consumerOf = ({ consumer }: Identity): readonly string[] => (consumer === null ? [] : [consumer]);
  const lists = [
    scopes && listCheck('scopes', 'scopes', ' and ', scopes, (identity) => identity.scopes),
    anyScope && listCheck('anyScope', 'scope', ' or ', anyScope, (identity) => identity.scopes),
    roles && listCheck('roles', 'role', ' or ', roles, (identity) => identity.roles),
    groups && listCheck('groups', 'group', ' or ', groups, (identity) => identity.groups),
    consumers && listCheck('consumers', 'consumer', ' or ', consumers, consumerOf),
  ];
  return [
    ...lists.filter((check) => check !== undefined),
    ...Object.entries(claims).map(([key, wanted]) => claimCheck(key, wanted)),
    ...require.map((text, index) => conditionCheck(text, index, require.length, env)),
  ];
}

/** All of them, or one of them. */
function listCheck(
  key: 'scopes' | 'anyScope' | 'roles' | 'groups' | 'consumers',
  what: string,
  join: ' and ' | ' or ',
  wanted: readonly string[],
  of: (identity: Identity) => readonly string[],
): Check {
  const fits =
    join === ' and '
      ? (has: readonly string[]) => wanted.every((each) => has.includes(each))
      : (has: readonly string[]) => wanted.some((each) => has.includes(each));
  return {
    path: [key],
    isScope: key === 'scopes' || key === 'anyScope',
    words: `${what} ${wanted.join(join)}`,
    holds: (identity) => fits(of(identity)),
    found: (identity) => `the caller has ${of(identity).join(', ') || 'none'}`,
  };
}

function claimCheck(key: string, wanted: z.output<typeof claim>): Check {
  const at = parseClaimPath(key);
  const fits = claimTest(wanted);
  const words = Array.isArray(wanted) ? wanted.map((each) => JSON.stringify(each)).join(' or ') : `/${wanted.regex}/`;
  return {
    path: ['claims', key],
    isScope: false,
    words: `claim ${key} ${words}`,
    holds({ claims }) {
      const value = readClaim(claims, at);
      return Array.isArray(value) ? value.some(fits) : fits(value);
    },
    found: ({ claims }) => `the caller has ${JSON.stringify(readClaim(claims, at)) ?? 'none'}`,
  };
}

function claimTest(wanted: z.output<typeof claim>): (value: unknown) => boolean {
  if (Array.isArray(wanted)) {
    const values: readonly unknown[] = wanted;
    return (value) => values.includes(value);
  }
  const parsed = LinearRegex.parseWhole(wanted.regex);
  if (!parsed.ok) throw new Error(parsed.message);
  const pattern = parsed.value;
  return (value) => typeof value === 'string' && value.length <= MAX_CLAIM && pattern.test(value);
}

/** Longest claim that is shown to a regular expression. */
const MAX_CLAIM = 8_192;

function conditionCheck(text: string, index: number, count: number, env: CompileEnv): Check {
  const path = count === 1 ? ['require'] : ['require', index];
  const condition = env.condition(text, path);
  return {
    path,
    reads: condition.reads,
    isScope: false,
    words: `condition ${text}`,
    holds: (_identity, exchange) => condition.holds(exchange),
    found: (_identity, exchange) => condition.failure(exchange) ?? 'it is false',
  };
}

/** With these a caller would get past the checks of scopes: for the challenge (RFC 6750, 3). */
function scopesFor({ scopes = [], anyScope = [] }: Options): string {
  return [...new Set([...scopes, ...anyScope.slice(0, 1)])].join(' ');
}

const wwwAuthenticate = fieldName('www-authenticate');

class Authorize implements RequestHook {
  readonly phase = 'authorize';
  readonly #checks: readonly Check[];
  readonly #scopes: string;
  readonly #report: boolean;
  readonly #log: LogSink;

  constructor(checks: readonly Check[], scopes: string, report: boolean, log: LogSink) {
    this.#checks = checks;
    this.#scopes = scopes;
    this.#report = report;
    this.#log = log;
  }

  run(exchange: Exchange): Reply | undefined {
    const { identity } = exchange;
    if (identity === null) return this.#unidentified(exchange);
    const checks = this.#checks;
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i] as Check;
      if (!check.holds(identity, exchange)) return this.#refuse(check, identity, exchange);
    }
    return undefined;
  }

  explain(exchange: Exchange, isCallerKnown: boolean): Finding[] {
    if (!isCallerKnown) return [];
    const { identity } = exchange;
    if (identity === null) return [{ text: 'nobody has identified', holds: false, path: [] }];
    return this.#checks.map((check) => {
      const holds = check.holds(identity, exchange);
      const text = holds ? check.words : `${check.words}: ${check.found(identity, exchange)}`;
      return { text, holds, path: check.path };
    });
  }

  #unidentified(exchange: Exchange): Reply | undefined {
    const { authentication } = exchange;
    // RFC 9110, 15.5.2: 401 says how to identify, and where nobody knows how it would say nothing.
    const error = authentication === null ? errors.notAuthorized : errors.credentialMissing;
    const refusal = refuseOrReport(this.#report, this.#log, 'authorize', exchange, error);
    return refusal === undefined || authentication === null ? refusal : authentication.invite(exchange);
  }

  #refuse({ isScope, words }: Check, { method }: Identity, exchange: Exchange): Reply | undefined {
    const error = isScope ? errors.scopeMissing : errors.notAuthorized;
    // What was asked is for the operator who watches; a client learns the code.
    const detail = this.#report ? words : null;
    const refusal = refuseOrReport(this.#report, this.#log, 'authorize', exchange, error, detail);
    if (refusal === undefined || !isScope) return refusal;
    const challenge = exchange.authentication?.challengeOf(method) ?? null;
    if (challenge !== null && /^Bearer(?: |$)/i.test(challenge)) {
      const missing = `error="insufficient_scope", scope="${this.#scopes}"`;
      refusal.headers.add(wwwAuthenticate, `${challenge}${challenge.includes(' ') ? ',' : ''} ${missing}`);
    }
    return refusal;
  }
}
