import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { handRoute } from '../../test/support/plan.ts';
import { HeaderBlock } from '../base/headers.ts';
import { parseRouteKey, type RouteKey } from '../semantics/path-pattern.ts';
import { Exchange } from './exchange.ts';
import type { Route } from './plan.ts';
import { accepts, RouteMatch, type RouteTree } from './route-tree.ts';
import { RouteTreeBuilder } from './route-tree-builder.ts';
import type { Alternative } from './route-tree-layout.ts';

interface Listed {
  key: string;
  parsed: RouteKey;
}

function keyOf(text: string): RouteKey {
  const parsed = parseRouteKey(text);
  if (!parsed.ok) assert.fail(`${text}: ${parsed.message}`);
  return parsed.value;
}

function route(name: string, parameters: readonly string[] = []): Route {
  return handRoute({ name, pattern: name, parameters, dispatch: () => undefined });
}

const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };
const exchange = new Exchange(peer, new HeaderBlock(), route('none'));

function treeOf(...keys: (string | [string, ...Omit<Alternative, 'route'>[]])[]): RouteTree {
  const builder = new RouteTreeBuilder();
  for (const each of keys) {
    const [key, ...conditions] = typeof each === 'string' ? [each, { methods: null, when: null }] : each;
    const { methods, pattern } = keyOf(key);
    const alternatives = conditions.map((condition, i) => ({
      ...condition,
      route: route(conditions.length > 1 ? `${key} #${i + 1}` : key, pattern.parameters),
    }));
    builder.add(pattern, { methods, alternatives });
  }
  const build = builder.build();
  let step = build.next();
  while (!step.done) step = build.next();
  return step.value;
}

function find(tree: RouteTree, request: string): string | null {
  const [method = '', path = ''] = request.split(' ');
  const match = new RouteMatch();
  const found = tree.find(method, path, exchange, match);
  if (found === null) return null;
  const values = found.parameters.map((name, i) => `${name}=${match.parameters[i]}`);
  return [found.name, ...values].join(' ; ');
}

test('exact wins over parameter over wildcard, segment by segment, whatever the order', () => {
  const keys = ['/v1/*', '/v1/{a}/c', '/v1/users/*', '/v1/users/{id}', '/v1/users/me', '/v1/{a}/{b}/d', '/*'];
  for (const order of [keys, [...keys].reverse()]) {
    const tree = treeOf(...order);
    assert.equal(find(tree, 'GET /v1/users/me'), '/v1/users/me');
    assert.equal(find(tree, 'GET /v1/users/7'), '/v1/users/{id} ; id=7');
    assert.equal(find(tree, 'GET /v1/users/7/x'), '/v1/users/* ; rest=7/x');
    assert.equal(find(tree, 'GET /v1/users/c'), '/v1/users/{id} ; id=c');
    assert.equal(find(tree, 'GET /v1/other/c'), '/v1/{a}/c ; a=other');
    assert.equal(find(tree, 'GET /v1/other/b/d'), '/v1/{a}/{b}/d ; a=other ; b=b');
    assert.equal(find(tree, 'GET /v1/other/b'), '/v1/* ; rest=other/b');
    assert.equal(find(tree, 'GET /v1'), '/v1/* ; rest=');
    assert.equal(find(tree, 'GET /v1x'), '/* ; rest=v1x');
    assert.equal(find(tree, 'GET /'), '/* ; rest=');
  }
});

test('a trailing wildcard takes zero or more segments', () => {
  const tree = treeOf('/a/*', '/b/{id}/*');
  assert.equal(find(tree, 'GET /a'), '/a/* ; rest=');
  assert.equal(find(tree, 'GET /a/'), '/a/* ; rest=');
  assert.equal(find(tree, 'GET /a//b/'), '/a/* ; rest=/b/');
  assert.equal(find(tree, 'GET /b/1'), '/b/{id}/* ; id=1 ; rest=');
  assert.equal(find(tree, 'GET /b/1/2'), '/b/{id}/* ; id=1 ; rest=2');
  assert.equal(find(tree, 'GET /b/'), null);
  assert.equal(find(tree, 'GET /b'), null);
  assert.equal(find(tree, 'GET /ab'), null);
});

test('a parameter takes one segment that is not empty', () => {
  const tree = treeOf('/a/{x}', '/{x}/{y}/z');
  assert.equal(find(tree, 'GET /a/%C3%A9'), '/a/{x} ; x=%C3%A9');
  assert.equal(find(tree, 'GET /a/'), null);
  assert.equal(find(tree, 'GET /a/b/'), null);
  assert.equal(find(tree, 'GET /a/b/z'), '/{x}/{y}/z ; x=a ; y=b');
  assert.equal(find(tree, 'GET //b/z'), null);
});

test('a candidate for another method is passed over', () => {
  const tree = treeOf('POST /v1/orders', '/v1/orders/*', 'DELETE /v1/{kind}', 'GET /v1/orders/{id}');
  assert.equal(find(tree, 'POST /v1/orders'), 'POST /v1/orders');
  assert.equal(find(tree, 'GET /v1/orders'), '/v1/orders/* ; rest=');
  assert.equal(find(tree, 'PURGE /v1/orders'), '/v1/orders/* ; rest=');
  assert.equal(find(tree, 'GET /v1/orders/7'), 'GET /v1/orders/{id} ; id=7');
  assert.equal(find(tree, 'PUT /v1/orders/7'), '/v1/orders/* ; rest=7');
  assert.equal(find(tree, 'DELETE /v1/users'), 'DELETE /v1/{kind} ; kind=users');
  assert.equal(find(tree, 'GET /v1/users'), null);
});

test('a route with methods wins over one without, and HEAD follows GET', () => {
  const tree = treeOf('/a', 'GET /a', 'GET /b', 'HEAD /b', 'POST /b', 'POST /c', '/c');
  assert.equal(find(tree, 'GET /a'), 'GET /a');
  assert.equal(find(tree, 'HEAD /a'), 'GET /a');
  assert.equal(find(tree, 'PUT /a'), '/a');
  assert.equal(find(tree, 'HEAD /b'), 'HEAD /b');
  assert.equal(find(tree, 'HEAD /c'), '/c');
  assert.equal(tree.allow('/b', exchange), 'GET, HEAD, POST');
  assert.equal(tree.allow('/nothing', exchange), null);
});

test('alternatives are asked in order, and a list without a match is passed over', () => {
  const yes = () => true;
  const no = () => false;
  const tree = treeOf(
    ['/a', { methods: null, when: no }, { methods: ['POST'], when: yes }, { methods: null, when: null }],
    ['/b', { methods: null, when: no }, { methods: ['GET'], when: null }],
    '/*',
  );
  assert.equal(find(tree, 'GET /a'), '/a #3');
  assert.equal(find(tree, 'POST /a'), '/a #2');
  assert.equal(find(tree, 'HEAD /b'), '/b #2');
  assert.equal(find(tree, 'POST /b'), '/* ; rest=b');
});

test('a regular expression wins over a wildcard and nothing else', () => {
  const tree = treeOf('/*', '~/img/(?<name>[a-z]+)\\.(?<ext>png|jpg)', '/img/logo.png', 'POST ~/img/.*');
  assert.equal(
    find(tree, 'GET /img/cat.png'),
    '~/img/(?<name>[a-z]+)\\.(?<ext>png|jpg) ; name=cat ; ext=png'.replace('~', '~'),
  );
  assert.equal(find(tree, 'GET /img/cat.gif'), '/* ; rest=img/cat.gif');
  assert.equal(find(tree, 'GET /img/logo.png'), '/img/logo.png');
  assert.equal(find(tree, 'POST /img/x'), 'POST ~/img/.*');
  assert.equal(find(tree, `GET /img/${'a'.repeat(2000)}.png`)?.slice(0, 2), '/*');
});

test('more methods than there are bits still work', () => {
  const methods = Array.from({ length: 40 }, (_, i) => `M${i}`);
  const tree = treeOf(...methods.map((method) => `${method} /a`));
  for (const method of methods) assert.equal(find(tree, `${method} /a`), `${method} /a`);
  assert.equal(find(tree, 'M40 /a'), null);
});

const segment = fc.constantFrom('a', 'b', 'ab', 'abc', '{x}', '{x}', '');
const patternText = fc
  .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([segments, wildcard]) => {
    let n = 0;
    const named = segments.map((each) => (each === '{x}' ? `{x${n++}}` : each));
    return `/${named.join('/')}${wildcard ? '/*' : ''}`;
  });
const keyText = fc
  .tuple(fc.constantFrom('', 'GET ', 'POST ', 'GET,POST ', 'HEAD '), patternText)
  .map((parts) => parts.join(''));
const pathText = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'abc', 'abd', ''), { minLength: 1, maxLength: 5 })
  .map((segments) => `/${segments.join('/')}`);

/** The rule in words of DESIGN: compare segment by segment; then with method over without. */
function expected(routes: readonly Listed[], method: string, path: string): string | null {
  const segments = path.split('/').slice(1);
  const kinds = (listed: Listed): string | null => {
    const { path: text } = listed.parsed;
    const own = text.split('/').slice(1);
    let kind = '';
    for (const [i, each] of own.entries()) {
      if (each === '*' && i === own.length - 1) return `${kind}z`;
      const sent = segments[i];
      if (sent === undefined) return null;
      if (each.startsWith('{')) {
        if (sent === '') return null;
        kind += 'p';
      } else if (each === sent) {
        kind += 'e';
      } else {
        return null;
      }
    }
    return own.length === segments.length ? kind : null;
  };
  const rank = ({ methods }: RouteKey): number => {
    if (methods === null) return 2;
    return methods.includes(method) ? 0 : 1;
  };
  const fitting = routes
    .map((listed, order) => ({ listed, kind: kinds(listed), order }))
    .filter(
      ({ listed, kind }) => kind !== null && (listed.parsed.methods === null || accepts(listed.parsed.methods, method)),
    );
  fitting.sort((one, other) => {
    if (one.kind !== other.kind) return (one.kind ?? '') < (other.kind ?? '') ? -1 : 1;
    return rank(one.listed.parsed) - rank(other.listed.parsed) || one.order - other.order;
  });
  return fitting[0]?.listed.key ?? null;
}

test('property: look-ups agree with the rule stated naively, and candidates contain what is found', () => {
  fc.assert(
    fc.property(
      fc.array(keyText, { minLength: 1, maxLength: 12 }),
      fc.array(pathText, { minLength: 1, maxLength: 8 }),
      fc.constantFrom('GET', 'POST', 'HEAD', 'PUT'),
      (keys, paths, method) => {
        const tree = treeOf(...keys);
        const listed = keys.map((key) => ({ key, parsed: keyOf(key) }));
        for (const path of paths) {
          const match = new RouteMatch();
          const found = tree.find(method, path, exchange, match)?.name ?? null;
          assert.equal(found, expected(listed, method, path), `${method} ${path} among ${keys.join(' | ')}`);
          const names = tree.candidates(path).flatMap(({ groups }) => groups.flatMap((g) => g.alternatives));
          if (found !== null) assert.ok(names.some((alternative) => alternative.route.name === found));
        }
      },
    ),
    { numRuns: 3000 },
  );
});
