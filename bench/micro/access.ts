import { HeaderBlock } from '../../src/base/headers.ts';
import { LookAlikes } from '../../src/base/look-alikes.ts';
import { type Condition, compileCondition } from '../../src/plan/condition.ts';
import { Exchange, type Identity } from '../../src/plan/exchange.ts';
import type { Route } from '../../src/plan/plan.ts';
import { MessageHead } from '../../src/runtime/http1/message-head.ts';
import { parseRequestHead } from '../../src/runtime/http1/parse-head.ts';
import { LinearRegex } from '../../src/semantics/linear-regex.ts';
import type { Micro } from './harness.ts';

/** What do conditions cost, and the removal of what clients say about who they are? */

const identity: Identity = {
  id: '7',
  method: 'customer',
  consumer: 'acme',
  plan: 'gold',
  scopes: ['users:read', 'users:write'],
  roles: ['user', 'support', 'admin'],
  groups: [],
  claims: { tier: 'gold', level: 3 },
};

const HEAD = [
  'GET /v1/users/42 HTTP/1.1',
  'Host: shop.example',
  'User-Agent: bench/1.0',
  'Accept: application/json',
  'Accept-Encoding: gzip, br',
  'Accept-Language: en',
  'Cookie: theme=dark; session=0123456789abcdef',
  'X-Tenant: acme',
  'Origin: https://shop.example',
  'Sec-Fetch-Site: same-site',
  'Sec-Fetch-Mode: cors',
  'Referer: https://shop.example/cart',
  '',
  '',
].join('\r\n');

function received(): MessageHead {
  const head = new MessageHead();
  const bytes = Buffer.from(HEAD, 'latin1');
  if (parseRequestHead(bytes, 0, bytes.length, head, { maxHead: 65_536, maxTarget: 8_192, maxFields: 100 }) < 0) {
    throw new Error('the head is malformed');
  }
  return head;
}

function exchangeOf(who: Identity): Exchange {
  const peer = { address: '192.0.2.1', port: 1, tls: false, trusted: false, listener: '', certificate: null };
  const exchange = new Exchange(peer, received().headers, { name: 'bench' } as Route);
  exchange.method = 'GET';
  exchange.path = '/v1/users/42';
  exchange.parameters = ['42'];
  exchange.identity = who;
  return exchange;
}

function holding(measure: string, text: string): Micro {
  const { condition, problem } = compileCondition(text, ['id']);
  if (problem !== null) throw new Error(`${text}: ${problem.message}`);
  // Two, so that nothing of one request can be remembered for the next.
  const exchanges = [exchangeOf(identity), exchangeOf({ ...identity, id: '42', roles: ['user'] })] as const;
  return { measure, run: (times) => evaluate(condition, exchanges, times) };
}

function evaluate(condition: Condition, exchanges: readonly [Exchange, Exchange], times: number): number {
  let held = 0;
  for (let i = 0; i < times; i++) if (condition.holds(exchanges[i & 1] as Exchange)) held++;
  return held;
}

const regex = LinearRegex.parse('^(?:eu|us)-[a-z]+-[0-9]+$');
if (!regex.ok) throw new Error(regex.message);
const region = regex.value;
const taken = new LookAlikes(['x-user-id', 'x-plan', 'x-roles', 'x-tenant-id']);

export const access: readonly Micro[] = [
  holding('condition: one’s own record, or an administrator', "identity.id == path.id || 'admin' in identity.roles"),
  holding('condition: a header and a claim', "header['x-tenant'] == identity.consumer && identity.claims.level >= 3"),
  holding('condition: a quantifier', "identity.roles.exists(role, role.startsWith('sup'))"),
  holding('condition: a pattern', "header.origin.matches('^https://[a-z.]+$')"),
  holding('condition: a header that is missing', "header['x-missing'] == 'a'"),
  {
    measure: 'pattern alone, 12 characters',
    run(times) {
      const texts = ['eu-central-1', 'us-example-x'] as const;
      let fitted = 0;
      for (let i = 0; i < times; i++) if (region.test(texts[i & 1] as string)) fitted++;
      return fitted;
    },
  },
  {
    measure: 'four identity headers out of eleven fields',
    run(times) {
      const { headers } = received();
      for (let i = 0; i < times; i++) headers.removeCovered(taken);
      return headers instanceof HeaderBlock ? headers.count : 0;
    },
  },
];
