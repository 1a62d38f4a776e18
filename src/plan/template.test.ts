import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { normalizeTarget, Target } from '../semantics/url.ts';
import { compileTemplate, type Template, type TemplatePlace } from './template.ts';

function compiled(text: string, place: TemplatePlace = 'text', parameters: readonly string[] = []): Template {
  const { template, problem } = compileTemplate(text, place, parameters);
  if (template === null) assert.fail(`${text}: ${problem.message}. ${problem.remedy}`);
  return template;
}

function remedy(text: string, place: TemplatePlace = 'text', parameters: readonly string[] = []): string {
  const { problem } = compileTemplate(text, place, parameters);
  if (problem === null) assert.fail(`${text} was accepted`);
  return problem.remedy;
}

const facts: ExchangeFacts = {
  target: '/v1/orders/caf%C3%A9%20%26?q=a%20b+c%26d&empty=&bare&q=second&%71%32=named',
  scheme: 'https',
  host: 'shop.example:8443',
  headers: [
    ['x-tenant', 'acme & sons'],
    ['x-list', 'a'],
    ['x-list', 'b'],
    ['cookie', 'a=1; session="s;x"; b="quoted"; session2=2'],
  ],
  identity: {
    id: 'zoë',
    consumer: 'acme',
    roles: ['admin', 'dev'],
    claims: {
      team: { name: 'Ünit' },
      level: 3,
      on: true,
      list: ['a', 1],
      nested: [{}],
      'https://x/y': 'z',
      none: null,
    },
  },
  parameters: ['caf%C3%A9%20%26', 'a/b%2Fc'],
};

const render = (text: string, place: TemplatePlace = 'text') =>
  compiled(text, place, ['id', 'rest']).render(exchangeOf(facts));

test('every name, as text', () => {
  assert.equal(render('{path.id}'), 'café &');
  assert.equal(render('{query.q}'), 'a b c&d');
  assert.equal(render('{query.q2}'), 'named', 'names may be encoded too');
  assert.equal(render('{query.bare}{query.empty}'), '');
  assert.equal(render('{header.X-Tenant}'), 'acme & sons');
  assert.equal(render('{header.x-list}'), 'a, b');
  assert.equal(render('{cookie.b}{cookie.a}{cookie.session2}'), 'quoted12');
  assert.equal(render('{identity.id} {identity.consumer} {identity.roles}'), 'zoë acme admin,dev');
  assert.equal(render('{identity.claims.team.name}-{identity.claims.level}-{identity.claims.on}'), 'Ünit-3-true');
  assert.equal(render("{identity.claims['https://x/y']}{identity.claims.list}"), 'za,1');
  assert.equal(render('{client.ip}'), '192.0.2.1');
  assert.equal(render('{request.method} {request.scheme} {request.host}'), 'GET https shop.example:8443');
  assert.equal(render('{request.path}'), '/v1/orders/café &');
  assert.equal(render('{route.name}'), 'GET /v1/orders/{id}');
  assert.equal(render('{{{path.id}}}'), '{café &}');
});

test('the names of a caller are told as they are, or not at all', () => {
  const told = (identity: ExchangeFacts['identity'], text: string, place: TemplatePlace = 'header') =>
    compiled(text, place, []).render(exchangeOf(identity === undefined ? {} : { identity }));
  for (const id of [' admin', 'admin ', '\tadmin', '\u00a0admin', 'admin\u2028', 'ad\r\nmin', 'ad\0min']) {
    assert.equal(told({ id }, '{identity.id}'), undefined, JSON.stringify(id));
  }
  assert.equal(told({ id: ' admin' }, '{identity.id}', 'text'), ' admin');
  assert.equal(told({ roles: ['user', 'a,admin'] }, '{identity.roles}'), 'user,a%2Cadmin');
  assert.equal(told({ roles: ['user', ' admin'] }, '{identity.roles}'), 'user,%20admin');
  assert.equal(told({ groups: ['a%2Cb', 'ü,'] }, '{identity.groups}'), 'a%252Cb,%C3%BC%2C');
  assert.equal(told({ claims: { teams: ['a,b', 1] } }, '{identity.claims.teams}'), 'a%2Cb,1');
  assert.equal(told({ claims: { teams: [] } }, '{identity.claims.teams}'), undefined);
  const inherited = JSON.parse('{"__proto__":{"role":"admin"}}') as Record<string, unknown>;
  for (const name of ['role', 'constructor', 'toString', 'constructor.name']) {
    assert.equal(told({ claims: inherited }, `{identity.claims.${name}}`), undefined, name);
  }
});

test('every place has its own encoding', () => {
  assert.equal(render('{path.id}', 'header'), 'caf%C3%A9%20%26', 'a path stays encoded: decoding could end the line');
  assert.equal(render('/x/{path.id}/{path.rest}', 'path'), '/x/caf%C3%A9%20%26/a/b%2Fc');
  assert.equal(render('{path.id}={path.rest}', 'query'), 'caf%C3%A9%20%26=a%2Fb%2Fc');
  assert.equal(render('{query.q}', 'header'), 'a b c&d');
  assert.equal(render('/x/{query.q}', 'path'), '/x/a%20b%20c%26d');
  assert.equal(render('{query.q}', 'query'), 'a%20b%20c%26d');
  assert.equal(render('{identity.id}', 'header'), 'zo\xc3\xab', 'UTF-8, as bytes');
  assert.equal(render('/x/{identity.id}', 'path'), '/x/zo%C3%AB');
  assert.equal(render('/x/{header.x-tenant}?t={header.x-tenant}', 'path'), '/x/acme%20%26%20sons?t=acme%20%26%20sons');
  assert.equal(render('/café au lait/%c3%a9', 'path'), '/caf%C3%A9%20au%20lait/%C3%A9');
  assert.equal(render('é', 'header'), '\xc3\xa9');
});

test('URLs for redirects', () => {
  const https = 'https://{request.host}{request.path}?{request.query}';
  assert.equal(render(https, 'url'), `https://shop.example:8443${facts.target?.replace('%71%32', '%71%32')}`);
  const bare = compiled(https, 'url').render(exchangeOf({ target: '/a' }));
  assert.equal(bare, 'https://shop.example/a', 'no lonely question mark');
  assert.equal(
    render('{request.scheme}://m.{request.host}/{path.id}', 'url'),
    'https://m.shop.example:8443/caf%C3%A9%20%26',
  );
  const rest = compiled('/{path.rest}', 'url', ['rest']);
  assert.equal(rest.render(exchangeOf({ parameters: ['/evil.example'] })), undefined, 'two slashes would be a host');
  assert.equal(rest.render(exchangeOf({ parameters: [''] })), '/');
  for (const text of ['https://{header.x}/', 'https://shop.example{path.rest}', 'https://{path.rest}.example/a']) {
    assert.match(remedy(text, 'url', ['rest']), /host/, text);
  }
  for (const text of [
    'javascript:alert(1)',
    '//evil.example/',
    '{path.rest}',
    'shop.example/a',
    'https:///a',
    'ftp://a/',
  ]) {
    assert.match(remedy(text, 'url', ['rest']), /https:\/\/shop\.example/, text);
  }
});

test('a missing value makes the result missing', () => {
  const nobody = exchangeOf();
  const names = ['{query.q}', '{header.x}', '{cookie.x}', '{identity.id}', '{identity.claims.x}', '{request.id}'];
  for (const name of names) assert.equal(compiled(`a${name}b`).render(nobody), undefined, name);
  assert.equal(compiled('{client.ip}').render(exchangeOf({ clientAddress: '' })), undefined);
  for (const claim of ['none', 'nested', 'team', 'constructor', 'list.length', 'team.name.length', '__proto__']) {
    assert.equal(render(`{identity.claims.${claim}}`), undefined, claim);
  }
  assert.equal(render('/users/{query.empty}', 'path'), undefined, 'an empty segment names another resource');
});

test('no value climbs out of a path', () => {
  const climbers = ['..', '.', '../admin', 'a/../b', '..;x', '..\\', 'a\\..', '%2e%2e', '..%2f', 'a\0', 'a\r\nb'];
  for (const q of climbers) {
    const result = compiled('/users/{query.q}', 'path').render(exchangeOf({ target: `/?q=${encodeURIComponent(q)}` }));
    if (result !== undefined) assert.match(result, /^\/users\/[^/]+$/, q);
  }
  const dots = compiled('/users/.{query.q}/x', 'path');
  assert.equal(dots.render(exchangeOf({ target: '/?q=.' })), undefined, 'literal and value together');
  const capture = compiled('/users/{path.part}e/x', 'path', ['part']);
  assert.equal(capture.render(exchangeOf({ parameters: ['%2'] })), undefined, 'half an escape from a capture');
});

test('no value ends a header line', () => {
  const header = compiled('v={query.q}', 'header');
  for (const q of ['%0d%0aevil:1', '%0a', '%0d', '%00', '%7f', '%1b[2J']) {
    assert.equal(header.render(exchangeOf({ target: `/?q=${q}` })), undefined, q);
  }
  assert.equal(header.render(exchangeOf({ target: '/?q=%09tab%ff' })), 'v=\ttab\xff');
});

test('what a result depends on is known at load', () => {
  assert.equal(compiled('/v1/x', 'path').constant, '/v1/x');
  assert.equal(compiled('', 'header').constant, '');
  assert.equal(compiled('{client.ip}').constant, null);
  assert.deepEqual(compiled('{identity.id}{request.id}{identity.plan}').reads, ['identity', 'requestId']);
  assert.deepEqual(compiled('{client.ip}').reads, []);
  assert.equal(compiled('{path.id}', 'text', ['id']).usesParameters, true);
  assert.equal(compiled('{client.ip}', 'text', ['id']).usesParameters, false);
});

test('wrong templates say what to write', () => {
  assert.equal(remedy('{path.idd}', 'text', ['id']), 'Did you mean `{path.id}`?');
  assert.equal(
    remedy('{path.customer}', 'text', ['id', 'rest']),
    'The path of this route has `{path.id}`, `{path.rest}`.',
  );
  assert.equal(remedy('{path.id}'), 'The path of this route has no parameters.');
  assert.equal(remedy('{headers.x-tenant}'), 'Did you mean `{header.x-tenant}`?');
  assert.equal(remedy('{client.address}'), 'Known are `{client.ip}`.');
  assert.equal(remedy('{request.pth}'), 'Did you mean `{request.path}`?');
  assert.match(remedy('{claims.team}'), /identity\.claims\.team/);
  assert.match(remedy('{nonsense}'), /^Names begin with `path\.`/);
  assert.match(remedy('{header}'), /./);
  assert.equal(remedy('a}b'), 'Write `}}` for a brace itself.');
  assert.match(remedy('{path.id'), /^Write `}`/);
  for (const text of ['{}', '{ path.id }', '{path..id}', '{path.}', '{path[id]}', "{header['x}", '{1}']) remedy(text);
  for (const text of ['v1', '//v1', '/a/../b', '/a/.', '/a%2', '/a\\b', '/{query.x}/..', '/a#b', ''])
    remedy(text, 'path');
  assert.match(remedy('a\nb', 'header'), /line breaks/);
  assert.match(remedy('{query.q}\r\n', 'header'), /line breaks/);
  assert.equal(compileTemplate('ab{nope.x}', 'text', []).problem?.offset, 2);
});

test('whatever the values, a path stays normal below its prefix and a header stays one line', () => {
  const target = new Target();
  const path = compiled('/base/{query.a}/{query.b}?x={query.a}', 'path');
  const header = compiled('{query.a}', 'header');
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('.', '/', '%', '2', 'e', ';', '\\') }),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const query = new URLSearchParams({ a: a.toWellFormed(), b: b.toWellFormed() });
      const exchange = exchangeOf({ target: `/?${query}` });
      const result = path.render(exchange);
      if (result !== undefined) {
        assert.ok(normalizeTarget(result, target));
        assert.match(target.path, /^\/base\/[^/]+\/[^/]+$/);
        assert.equal(`${target.path}?${target.query}`, result);
        assert.equal(new URLSearchParams(target.query).get('x'), a.toWellFormed());
      }
      assert.doesNotMatch(header.render(exchange) ?? '', /[\r\n\0]/);
    }),
    { numRuns: 1000 },
  );
});
