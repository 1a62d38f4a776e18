import { HeaderBlock } from '../../src/base/headers.ts';
import type { Dispatch } from '../../src/plan/call.ts';
import { Exchange, type Identity, type Peer } from '../../src/plan/exchange.ts';
import type { Route } from '../../src/plan/plan.ts';
import { normalizeTarget, Target } from '../../src/semantics/url.ts';
import { handRoute } from './plan.ts';

/** Exchanges made by hand, to drive hooks without a connection. */
export interface ExchangeFacts {
  method?: string;
  target?: string;
  scheme?: 'http' | 'https';
  host?: string;
  headers?: Iterable<readonly [string, string]>;
  peer?: Partial<Peer>;
  clientAddress?: string;
  identity?: Partial<Identity>;
  route?: Partial<Route>;
  parameters?: readonly string[];
}

const noDispatch: Dispatch = () => {
  throw new Error('this exchange has no target');
};

export const route: Route = handRoute({
  name: 'GET /v1/orders/{id}',
  gateway: 'web',
  pattern: '/v1/orders/{id}',
  dispatch: noDispatch,
});

const peer: Peer = {
  address: '192.0.2.1',
  port: 40_000,
  tls: false,
  trusted: false,
  listener: '127.0.0.1:8080',
  certificate: null,
};

const nobody: Identity = {
  id: 'anonymous',
  method: 'customer',
  consumer: null,
  plan: null,
  scopes: [],
  roles: [],
  groups: [],
  claims: {},
};

export function exchangeOf(facts: ExchangeFacts = {}): Exchange {
  const target = new Target();
  const text = facts.target ?? '/v1/orders/7';
  if (!normalizeTarget(text, target)) throw new Error(`${text} is refused before it becomes an exchange`);
  const exchange = new Exchange({ ...peer, ...facts.peer }, HeaderBlock.of(facts.headers ?? []), {
    ...route,
    ...facts.route,
  });
  exchange.method = facts.method ?? 'GET';
  exchange.target = text;
  exchange.scheme = facts.scheme ?? 'http';
  exchange.host = facts.host ?? 'shop.example';
  exchange.path = target.path;
  exchange.query = target.query;
  exchange.parameters = facts.parameters ?? [];
  exchange.clientAddress = facts.clientAddress ?? exchange.peer.address;
  if (facts.identity !== undefined) exchange.identity = { ...nobody, ...facts.identity };
  return exchange;
}
