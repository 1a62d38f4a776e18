import { type FieldName, fieldName } from '../base/headers.ts';
import type { Exchange } from '../plan/exchange.ts';
import { AddressSet, parseNetwork } from '../semantics/cidr.ts';
import { cookieValue } from '../semantics/cookie.ts';
import { LinearRegex } from '../semantics/linear-regex.ts';
import { queryValue } from '../semantics/query.ts';
import type { FieldCondition, MatchDocument } from './plan-document.ts';

export type Condition = (exchange: Exchange) => boolean;

/** One part of a `match` that a request may fail, named for `explain`. */
export interface NamedCondition {
  readonly name: string;
  readonly holds: Condition;
}

/** Longest value that is shown to a regular expression: bounds the work that a hostile value can cause. */
const MAX_REGEX_VALUE = 1024;
const COOKIE = fieldName('cookie');

/** The conditions of a `match` beside its methods, cheap ones first. */
export function conditionsOf(match: MatchDocument): NamedCondition[] {
  const conditions: NamedCondition[] = [];
  if (match.hosts.length > 0) conditions.push({ name: 'host', holds: hostCondition(match.hosts) });
  if (match.clients.length > 0) {
    const networks = match.clients.map(parseNetwork).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
    const clients = new AddressSet(networks);
    conditions.push({ name: 'clients', holds: (exchange) => clients.contains(exchange.clientAddress) });
  }
  for (const condition of match.headers) {
    const name = fieldName(condition.name);
    conditions.push({ name: `header ${condition.name}`, holds: headerCondition(name, valueTest(condition)) });
  }
  for (const condition of match.query) {
    const test = valueTest(condition);
    const { name } = condition;
    conditions.push({ name: `query ${name}`, holds: (exchange) => test(queryValue(exchange.query, name)) });
  }
  for (const condition of match.cookies) {
    const test = valueTest(condition);
    const { name } = condition;
    conditions.push({
      name: `cookie ${name}`,
      holds: (exchange) => {
        const field = exchange.headers.getAll(COOKIE);
        return test(field === undefined ? undefined : cookieValue(field, name));
      },
    });
  }
  return conditions;
}

/** All of them at once; null where there are none. */
export function compileConditions(match: MatchDocument): Condition | null {
  const conditions = conditionsOf(match).map(({ holds }) => holds);
  const [only] = conditions;
  if (only === undefined) return null;
  if (conditions.length === 1) return only;
  return (exchange) => {
    for (let i = 0; i < conditions.length; i++) if (!(conditions[i] as Condition)(exchange)) return false;
    return true;
  };
}

function headerCondition(name: FieldName, test: (value: string | undefined) => boolean): Condition {
  return (exchange) => test(exchange.headers.getAll(name));
}

function hostCondition(hosts: readonly string[]): Condition {
  const exact = new Set(hosts.filter((host) => !host.startsWith('*.')));
  const suffixes = hosts.filter((host) => host.startsWith('*.')).map((host) => host.slice(1));
  return (exchange) => {
    const host = hostOf(exchange.host);
    return exact.has(host) || suffixes.some((suffix) => host.endsWith(suffix) && host.length > suffix.length);
  };
}

/** Without the port, for which no condition asks. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon < 0 || authority.endsWith(']') ? authority : authority.slice(0, colon);
}

function valueTest({ test }: FieldCondition): (value: string | undefined) => boolean {
  switch (test.kind) {
    case 'present':
      return (value) => value !== undefined;
    case 'absent':
      return (value) => value === undefined;
    case 'oneOf': {
      const { values } = test;
      const [only = ''] = values;
      return values.length === 1 ? (value) => value === only : (value) => value !== undefined && values.includes(value);
    }
    case 'regex': {
      const parsed = LinearRegex.parseWhole(test.regex);
      if (!parsed.ok) throw new Error(`${parsed.message}: ${test.regex}`);
      const regex = parsed.value;
      return (value) => value !== undefined && value.length <= MAX_REGEX_VALUE && regex.test(value);
    }
  }
}
