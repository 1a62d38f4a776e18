import { Environment } from '@marcbachmann/cel-js';
import { LinearRegex } from '../semantics/linear-regex.ts';
import { decodeBytes, fromWire } from '../semantics/percent.ts';
import type { Exchange } from './exchange.ts';

/**
 * What a condition sees of a request. The views are made once for the thread and read through `subject`, so that an
 * evaluation makes no object and reads only what the condition names; a condition never waits, so there is one subject
 * at a time. `undefined` stands for what is missing: `has(…)` is then false, and anything else is an error.
 */
interface Subject {
  exchange: Exchange | null;
}
export const subject: Subject = { exchange: null };

/** Longest text that a condition works on: bounds what a hostile value can cost. */
const MAX_TEXT = 8_192;
/** Longest list of an identity. */
const MAX_LIST = 1_024;

export class ValueTooLong extends Error {}
/** One for all: it is thrown often when somebody tries, and says nothing about the request. */
const tooLong = new ValueTooLong('the value is too long for a condition');

function bounded(text: string | null | undefined): string | undefined {
  if (text === null || text === undefined) return undefined;
  if (text.length > MAX_TEXT) throw tooLong;
  return text;
}

function present(text: string | undefined): string | undefined {
  return text === '' ? undefined : bounded(text);
}

function short(list: readonly string[] | undefined): readonly string[] | undefined {
  if (list !== undefined && list.length > MAX_LIST) throw tooLong;
  return list;
}

class IdentityView {
  get id() {
    return bounded(subject.exchange?.identity?.id);
  }
  get method() {
    return bounded(subject.exchange?.identity?.method);
  }
  get consumer() {
    return bounded(subject.exchange?.identity?.consumer);
  }
  get plan() {
    return bounded(subject.exchange?.identity?.plan);
  }
  get scopes() {
    return short(subject.exchange?.identity?.scopes);
  }
  get roles() {
    return short(subject.exchange?.identity?.roles);
  }
  get groups() {
    return short(subject.exchange?.identity?.groups);
  }
  get claims() {
    return subject.exchange?.identity?.claims;
  }
}

class ClientView {
  get ip() {
    return present(subject.exchange?.clientAddress);
  }
}

class RequestView {
  get id() {
    return present(subject.exchange?.id);
  }
  get method() {
    return bounded(subject.exchange?.method);
  }
  get scheme() {
    return subject.exchange?.scheme;
  }
  get host() {
    return present(subject.exchange?.host);
  }
  get path() {
    const path = bounded(subject.exchange?.path);
    return path === undefined ? undefined : fromWire(decodeBytes(path));
  }
  get query() {
    return bounded(subject.exchange?.query);
  }
}

class RouteView {
  get name() {
    return subject.exchange?.route.name;
  }
}

/** Reads one value of the request as text. */
export type TextReader = (exchange: Exchange) => string | undefined;
/** Readers by name: of `path`, `query`, `header` and `cookie`. */
export type Readers = ReadonlyMap<string, TextReader>;

/** A map that has just the names that a condition reads. */
function viewOf(readers: Readers | undefined): object {
  const view = {};
  for (const [name, read] of readers ?? []) {
    const get = (): string | undefined => (subject.exchange === null ? undefined : bounded(read(subject.exchange)));
    Object.defineProperty(view, name, { get, enumerable: true });
  }
  return Object.freeze(view);
}

const fixed = {
  identity: new IdentityView(),
  client: new ClientView(),
  request: new RequestView(),
  route: new RouteView(),
};

/** The variables of one condition. */
export function contextOf(readers: ReadonlyMap<string, Readers>): Record<string, object> {
  const view = (root: string): object => viewOf(readers.get(root));
  return { ...fixed, path: view('path'), query: view('query'), header: view('header'), cookie: view('cookie') };
}

const texts = 'map<string, string>';

/** Types of the names, the same for every condition: whether a name exists is checked before (`condition-names.ts`). */
export const environment = new Environment({
  limits: { maxAstNodes: 400, maxDepth: 32, maxListElements: 100, maxMapEntries: 16, maxCallArguments: 4 },
})
  .registerType('Identity', {
    ctor: IdentityView,
    fields: {
      id: 'string',
      method: 'string',
      consumer: 'string',
      plan: 'string',
      scopes: 'list<string>',
      roles: 'list<string>',
      groups: 'list<string>',
      claims: 'map<string, dyn>',
    },
  })
  .registerType('Client', { ctor: ClientView, fields: { ip: 'string' } })
  .registerType('Request', {
    ctor: RequestView,
    fields: {
      id: 'string',
      method: 'string',
      scheme: 'string',
      host: 'string',
      path: 'string',
      query: 'string',
    },
  })
  .registerType('Route', { ctor: RouteView, fields: { name: 'string' } })
  .registerType('Pattern', { ctor: LinearRegex as unknown as new () => LinearRegex, fields: {} })
  .registerVariable('identity', 'Identity')
  .registerVariable('client', 'Client')
  .registerVariable('request', 'Request')
  .registerVariable('route', 'Route')
  .registerVariable('path', texts)
  .registerVariable('query', texts)
  .registerVariable('header', texts)
  .registerVariable('cookie', texts)
  // The library's own takes a pattern in text and backtracks: patterns are compiled at load and put in their place.
  .registerFunction('string.matches(Pattern): bool', (text: string, pattern: LinearRegex) => pattern.test(text), {
    async: false,
  });
