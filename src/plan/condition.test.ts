import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { type Condition, type ConditionProblem, compileCondition } from './condition.ts';

function compiled(text: string, parameters: readonly string[] = ['id']): Condition {
  const { condition, problem } = compileCondition(text, parameters);
  if (problem !== null) assert.fail(`${text}: ${problem.message}`);
  return condition;
}

function problem(text: string, parameters: readonly string[] = ['id']): ConditionProblem {
  const { problem: found } = compileCondition(text, parameters);
  return found ?? assert.fail(`${text} was accepted`);
}

const facts: ExchangeFacts = {
  target: '/v1/orders/a%40b?page=2&q=caf%C3%A9',
  parameters: ['a%40b'],
  host: 'shop.example:8443',
  headers: [
    ['x-tenant', 'acme'],
    ['accept', 'text/html'],
    ['accept', 'text/plain'],
    ['cookie', 'theme=dark; session=1'],
  ],
  identity: {
    id: 'a@b',
    consumer: null,
    plan: 'gold',
    scopes: ['users:read'],
    roles: ['admin', 'support'],
    claims: { level: 3, beta: true, team: { name: 'core' }, 'https://shop.example/tier': 'gold', teams: ['x', 'y'] },
  },
};

function holds(text: string, given: ExchangeFacts = facts): boolean {
  return compiled(text).holds(exchangeOf(given));
}

describe('what a condition sees', () => {
  const exchange = exchangeOf(facts);
  exchange.id = 'r-1';
  for (const text of [
    "identity.id == path.id || 'admin' in identity.roles",
    'identity.id == path.id',
    "identity.method == 'customer' && identity.plan == 'gold'",
    "'users:read' in identity.scopes && identity.groups.size() == 0",
    'identity.claims.level >= 3 && identity.claims.level == 3 && identity.claims.level in [1, 3]',
    'identity.claims.beta == true',
    "identity.claims.team.name == 'core' && identity.claims['https://shop.example/tier'] == 'gold'",
    "'y' in identity.claims.teams && 'level' in identity.claims && !('nope' in identity.claims)",
    "query.page == '2' && int(query.page) == 2 && query.q == 'café'",
    "header['x-tenant'] == 'acme' && header['X-Tenant'] == 'acme' && header.accept == 'text/html, text/plain'",
    "cookie.theme == 'dark'",
    "client.ip == '192.0.2.1'",
    "request.method == 'GET' && request.scheme == 'http' && request.host == 'shop.example:8443'",
    "request.path == '/v1/orders/a@b' && request.query == 'page=2&q=caf%C3%A9' && request.id == 'r-1'",
    "route.name == 'GET /v1/orders/{id}'",
    "!has(identity.consumer) && has(identity.plan) && !has(header.missing) && !('x-none' in header)",
    "'x-tenant' in header && has(cookie.session)",
    "identity.roles.exists(role, role.startsWith('sup')) && identity.roles.all(role, size(role) > 1)",
    "identity.roles.exists_one(role, role == 'admin')",
    "header['x-tenant'].matches('^ac') && !header['x-tenant'].matches('^ac$')",
    "identity.id.substring(identity.id.indexOf('@') + 1) == 'b'",
  ]) {
    test(text, () => {
      assert.equal(compiled(text).failure(exchange), null);
      assert.ok(compiled(text).holds(exchange));
    });
  }

  test('facts and parameters that it depends on are known', () => {
    assert.deepEqual(compiled("identity.claims.a == '1' && request.id != ''").reads, ['identity', 'requestId']);
    assert.deepEqual(compiled("'a' in identity.claims").reads, ['identity']);
    assert.deepEqual(compiled("header.a == 'b'").reads, []);
    assert.ok(compiled("path.id == '1'").usesParameters);
    assert.ok(!compiled("query.id == '1'").usesParameters);
    const second = compiled("path.order == '2'", ['id', 'order']);
    assert.ok(second.holds(exchangeOf({ parameters: ['1', '2'] })));
  });
});

describe('what cannot be evaluated does not hold', () => {
  const failure = (text: string, given: ExchangeFacts = facts) => compiled(text).failure(exchangeOf(given));

  test('a missing value is an error unless it is asked for', () => {
    assert.equal(compiled("header['x-none'] == 'a'").evaluate(exchangeOf(facts)), undefined);
    assert.equal(compiled("'a' == 'b'").evaluate(exchangeOf(facts)), false);
    assert.ok(!holds("header['x-none'] == 'a'"));
    assert.ok(!holds("header['x-none'] != 'a'"));
    assert.ok(!holds("!(identity.consumer == 'acme')"));
    assert.ok(holds("identity.consumer == 'acme' || identity.plan == 'gold'"), 'the other side decides');
    assert.equal(failure("header['x-none'] != 'a'"), "`header['x-none']` is missing");
    assert.equal(failure("identity.claims.team.lead == 'a'"), '`identity.claims.team.lead` is missing');
    assert.equal(failure("identity.claims.constructor == 'a'"), '`identity.claims.constructor` is missing');
  });

  test('nobody is a caller without anything', () => {
    const { identity: _, ...anonymous } = facts;
    assert.ok(!holds("identity.id == 'a'", anonymous));
    assert.ok(!holds('!identity.roles.exists(role, role == "a")', anonymous));
    assert.ok(holds('!has(identity.id)', anonymous));
  });

  test('types that only the request knows', () => {
    assert.match(failure('identity.claims.level + 1 > 2') ?? '', /does not work out/);
    assert.match(failure('identity.claims.team && true') ?? '', /does not work out/);
    assert.ok(!holds('identity.claims.level.exists(item, true)'));
    assert.ok(!holds("identity.claims.level == '3'"));
    assert.ok(!holds('1 / 0 == 1'));
  });

  test('values without bounds', () => {
    const long = { ...facts, headers: [['x-long', 'a'.repeat(10_000)]] as const };
    assert.equal(failure("header['x-long'].size() > 0", long), 'a value is too long');
    assert.ok(!holds("header['x-long'] != ''", long));
    const many = { identity: { roles: Array.from({ length: 5_000 }, (_, i) => `r${i}`) } };
    assert.equal(failure("identity.roles.all(r, r != 'a')", many), 'a value is too long');
  });

  test('who compiled it hears of it, without any value', () => {
    const heard: string[] = [];
    const { condition } = compileCondition("header.a == 'b'", [], ({ why }) => heard.push(why));
    assert.equal(condition?.holds(exchangeOf()), false);
    assert.equal(condition?.holds(exchangeOf({ headers: [['a', 'c']] })), false);
    assert.deepEqual(heard, ['`header.a` is missing']);
  });
});

describe('what is wrong is said at load', () => {
  const cases: readonly (readonly [text: string, message: RegExp, remedy: RegExp])[] = [
    ["identity.rolez == 'a'", /no `identity\.rolez`/, /`identity\.roles`/],
    ["idenity.id == 'a'", /no `idenity\.id`/, /`identity\.id`/],
    ["claims.team == 'a'", /no `claims\.team`/, /`identity\.claims\.team`/],
    ["path.user == '1'", /no `path\.user`/, /`path\.id`/],
    ["headers['x-tenant'] == 'a'", /`headers\.x-tenant`/, /`header\['x-tenant'\]`/],
    ["header.x-tenant == 'a'", /subtraction/, /`header\['x-tenant'\]`/],
    ["header[query.name] == 'a'", /written out/, /header\['…'\]/],
    ["query.name in header && 'a' == 'a'", /written out/, /in header/],
    ["has(header['x-a'])", /behind a dot/, /`'x-a' in header`/],
    ['identity == null', /no value of its own/, /has\(identity\.id\)/],
    ['identity.id == null', /does not go together/, /has/],
    ['identity.id == 3', /`string == int` does not go together/, /string\(…\)/],
    ["identity.roles == 'admin'", /`list<string> == string`/, /convert/],
    ['identity.id', /type `string`/, /Compare/],
    ['identity.claims.admin', /only the request knows/, /== true/],
    ["identity.id = 'a'", /no condition/, /`==`/],
    ["identity.id == 'a' and true", /no condition/, /&&/],
    ["{identity.id} == 'a'", /no condition/, /braces/],
    ["identity.id == 'a", /no condition/, /instance/],
    ["identity.id.lower() == 'a'", /no function `lower`/, /Known are/],
    ["identity.id.startWith('a')", /no function `startWith`/, /startsWith/],
    ['timestamp(identity.id) == timestamp(identity.id)', /no function `timestamp`/, /Known/],
    ["cel.bind(x, 'a', x == 'a')", /no function `bind`/, /Known/],
    ['type(identity.id) == string', /no function `type`/, /Known/],
    ['identity.id.matches(query.pattern)', /written out/, /matches\('/],
    ["identity.id.matches('(a)\\\\1')", /not accepted/, /./],
    ['identity.roles.all(a, identity.roles.all(b, a == b))', /not nested/, /`in`/],
    ["identity.roles.all(header, header == 'a')", /taken/, /another/],
    ['identity.roles.all(1, true)', /take a name/, /exists/],
    ["['a', 1] == ['a']", /same type/, /one type/],
    ['nobody', /no `nobody`/, /begin with/],
    ['', /no condition/, /instance/],
  ];
  for (const [text, message, remedy] of cases) {
    test(text === '' ? '(nothing)' : text, () => {
      const found = problem(text);
      assert.match(found.message, message);
      assert.match(found.remedy, remedy);
    });
  }

  test('what would be expensive is too long', () => {
    assert.match(problem(`identity.id == '${'a'.repeat(3_000)}'`).message, /at most/);
    assert.match(problem(Array.from({ length: 300 }, () => 'true').join('||')).message, /too long/);
    assert.match(problem(`identity.id in [${Array.from({ length: 200 }, (_, i) => `'${i}'`)}]`).message, /too long/);
    assert.match(problem(`${'('.repeat(200)}true${')'.repeat(200)}`).message, /too long/);
  });

  test('the offset is where it stands', () => {
    assert.equal(problem("true && identity.rolez == 'a'").offset, 8);
  });
});

describe('properties', () => {
  const value = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("'", '\\', '"', '`', '{', '\n', ''));
  const identity = fc.record({
    id: value,
    roles: fc.array(value, { maxLength: 5 }),
    claims: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 }) as fc.Arbitrary<Record<string, unknown>>,
  });

  test('membership and equality are those of the values', () => {
    const condition = compiled('identity.id == header.a || header.a in identity.roles');
    fc.assert(
      fc.property(identity, value, (who, sent) => {
        const exchange = exchangeOf({ identity: who });
        exchange.headers.getAll = () => Buffer.from(sent, 'utf8').toString('latin1');
        assert.equal(condition.holds(exchange), who.id === sent || who.roles.includes(sent));
      }),
    );
  });

  test('whatever a token says, the answer is a boolean', () => {
    const conditions = [
      "identity.claims.a.b == 'x'",
      'identity.claims.a > 3',
      "identity.claims.a.exists(x, x == 'y')",
      "'k' in identity.claims.a || identity.claims.a == true",
      'identity.claims.a == identity.claims.b',
      'size(identity.claims.a) > 0 && !identity.claims.b',
    ].map((text) => compiled(text));
    const claims = fc.record({ a: fc.jsonValue(), b: fc.jsonValue() }, { requiredKeys: [] });
    fc.assert(
      fc.property(claims, (given) => {
        const exchange = exchangeOf({ identity: { claims: JSON.parse(JSON.stringify(given)) } });
        for (const condition of conditions) assert.equal(typeof condition.holds(exchange), 'boolean');
      }),
      { numRuns: 500 },
    );
  });

  test('any text is a condition or a problem, and never an exception', () => {
    const word = fc.constantFrom(
      ...[
        'identity',
        '.id',
        '.roles',
        '.claims',
        "['a']",
        '[0]',
        'path',
        'header',
        '==',
        '&&',
        '||',
        '!',
        '(',
        ')',
        "'a'",
      ],
      ...['.all(x, ', 'x', '.matches(', 'in', ' ', '1', 'true', 'has(', 'size(', '?', ':', '{', '}', ',', '-', '"'],
    );
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.array(word, { maxLength: 14 }).map((parts) => parts.join('')),
    );
    const exchange = exchangeOf(facts);
    fc.assert(
      fc.property(text, (source) => {
        const { condition, problem: found } = compileCondition(source, ['id']);
        if (condition !== null) assert.equal(typeof condition.holds(exchange), 'boolean');
        else assert.ok(found.message !== '' && /[.?]$/.test(found.remedy) && found.offset <= source.length);
      }),
      { numRuns: 3_000 },
    );
  });
});
