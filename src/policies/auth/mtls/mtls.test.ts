import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { makeAuthority } from '../../../../test/support/certificates.ts';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, identifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { fieldValue } from '../../../../test/support/policy.ts';
import type { Identity, PeerCertificate } from '../../../plan/exchange.ts';
import type { Reply } from '../../../plan/reply.ts';
import { mtls } from './mtls.ts';

const orders: PeerCertificate = {
  subject: 'CN=orders,O=Example',
  commonName: 'orders',
  uris: ['spiffe://other.example/orders', 'spiffe://shop.example/orders'],
  dnsNames: ['Orders.Shop.Example'],
  emails: ['orders@shop.example'],
  fingerprint: 'ab'.repeat(32),
  serial: '7f',
  notBefore: 1_700_000_000_000,
  notAfter: Date.now() + 86_400_000,
  encoded: 'MIIB',
};

function open(options: object = {}, env = identifierEnv()) {
  return { env, identifier: mtls.compile(mtls.schema.parse(options), env) };
}

function ask(options: object, certificate: PeerCertificate | null, env = identifierEnv()): string | null {
  const answer = open(options, env).identifier.identify(exchangeOf({ peer: { certificate } }));
  assert.ok(!(answer instanceof Promise));
  return verdict(answer);
}

describe('who it is', () => {
  const ids: Record<string, string> = {
    commonName: 'orders',
    subject: 'CN=orders,O=Example',
    uri: 'spiffe://other.example/orders',
    dns: 'orders.shop.example',
    email: 'orders@shop.example',
  };
  for (const [id, expected] of Object.entries(ids)) {
    test(`by ${id}`, () => assert.equal(ask({ id }, orders), expected));
  }

  test('no certificate is no credential', () => assert.equal(ask({}, null), null));

  test('a certificate without a name of that kind is nobody’s', () => {
    const bare = { ...orders, commonName: null, uris: [], dnsNames: [], emails: [] };
    for (const id of ['commonName', 'uri', 'dns', 'email']) assert.equal(ask({ id }, bare), 'credential_invalid');
  });

  test('a name with control characters is none', () => {
    assert.equal(ask({}, { ...orders, commonName: 'or\nders' }), 'credential_invalid');
    assert.equal(ask({ id: 'uri' }, { ...orders, uris: ['a\0b', 'c'] }), 'c');
  });

  test('of several names the first that is allowed; none that is not', () => {
    const allow = ['spiffe://shop.example/*', 'spiffe://stock.example/*'];
    assert.equal(ask({ id: 'uri', allow }, orders), 'spiffe://shop.example/orders');
    assert.equal(ask({ id: 'uri', allow: 'spiffe://stock.example/*' }, orders), 'credential_invalid');
    assert.equal(ask({ allow: [] }, orders), 'credential_invalid');
  });

  test('a certificate that has expired since the handshake is refused', () => {
    assert.equal(ask({}, { ...orders, notAfter: Date.now() - 1 }), 'credential_expired');
  });

  test('its consumer is found by id or fingerprint, and brings its own', () => {
    const consumers = new Map([['acme', consumer({ plan: 'gold', groups: ['partners'] })]]);
    const written = 'ab'.repeat(32).toUpperCase().match(/../g)?.join(':') ?? '';
    for (const pattern of ['ord*', written, `sha256:${'ab'.repeat(32)}`]) {
      const { identifier } = open({ consumers: { other: 'x', acme: ['y', pattern] } }, identifierEnv({ consumers }));
      const answer = identifier.identify(exchangeOf({ peer: { certificate: orders } })) as Identity;
      assert.deepEqual(
        [answer.id, answer.consumer, answer.plan, answer.groups],
        ['orders', 'acme', 'gold', ['partners']],
      );
      assert.equal(answer.claims.fingerprint, orders.fingerprint);
    }
  });
});

test('a name that looks like a fingerprint is not that certificate', () => {
  const env = identifierEnv({ consumers: new Map([['acme', consumer()]]) });
  const { identifier } = open({ consumers: { acme: [orders.fingerprint, `sha256:${orders.fingerprint}`] } }, env);
  for (const commonName of [orders.fingerprint, `sha256:${orders.fingerprint}`]) {
    const other = { ...orders, commonName, fingerprint: 'cd'.repeat(32) };
    const answer = identifier.identify(exchangeOf({ peer: { certificate: other } })) as Identity;
    assert.equal(answer.consumer, null);
  }
});

describe('revocation', () => {
  test('by fingerprint, id and consumer, on a connection that is there already', () => {
    for (const [kind, id] of [
      ['key', orders.fingerprint],
      ['subject', 'orders'],
      ['consumer', 'acme'],
    ] as const) {
      const { identifier, env } = open({ consumers: { acme: 'orders' } });
      const exchange = exchangeOf({ peer: { certificate: orders } });
      assert.equal(verdict(identifier.identify(exchange) as Identity), 'orders');
      env.revocations.revoke(kind, id);
      assert.equal(verdict(identifier.identify(exchange) as Reply), 'credential_revoked');
    }
  });
});

describe('forwarding', () => {
  const shown = (forward: unknown, certificate: PeerCertificate | null, name: string): string | null => {
    const exchange = exchangeOf({ peer: { certificate } });
    open({ forward }).identifier.conceal?.(exchange);
    return fieldValue(exchange.headers, name);
  };

  test('as RFC 9440 says, or what is wanted', () => {
    assert.equal(shown(true, orders, 'client-cert'), ':MIIB:');
    assert.equal(shown({ header: 'X-Client-Cert' }, orders, 'x-client-cert'), ':MIIB:');
    assert.equal(shown({ as: 'fingerprint' }, orders, 'client-cert'), orders.fingerprint);
    assert.equal(shown({ as: 'subject' }, { ...orders, subject: 'CN=ö' }, 'client-cert'), 'CN=Ã¶');
    assert.equal(shown(true, null, 'client-cert'), null);
    assert.equal(open().identifier.conceal, null);
  });

  test('PEM is what was shown', () => {
    const { certificate } = makeAuthority('Anybody');
    const encoded = new X509Certificate(certificate).raw.toString('base64');
    const text = decodeURIComponent(shown({ as: 'pem' }, { ...orders, encoded }, 'client-cert') ?? '');
    assert.equal(text, certificate);
  });

  test('the field is the gateway’s own', () => {
    const own = (options: object): readonly string[] => mtls.identityFields?.(mtls.schema.parse(options)) ?? [];
    assert.deepEqual(own({}), []);
    assert.deepEqual(own({ forward: true }), ['client-cert']);
    assert.deepEqual(own({ forward: { header: 'X-Cert' } }), ['x-cert']);
    assert.equal(mtls.schema.safeParse({ forward: { header: 'host' } }).success, false);
  });
});

test('a refusal names a scheme and no reason', () => {
  const { identifier } = open({ allow: 'nobody' }, identifierEnv({ entry: 'me"sh' }));
  const reply = identifier.identify(exchangeOf({ peer: { certificate: orders } })) as Reply;
  assert.equal(reply.status, 401);
  assert.equal(reply.detail, null);
  assert.equal(fieldValue(reply.headers, 'www-authenticate'), 'ClientCertificate realm="me\\"sh"');
});

test('a consumer that nobody knows is told', () => {
  const options = mtls.schema.parse({ consumers: { acme: 'a', globex: 'b' } });
  const found = mtls.check?.(options, new Map([['acme', consumer()]])) ?? [];
  assert.deepEqual(
    found.map(({ code, path }) => [code, path.join('.')]),
    [['unknown-consumer', 'consumers.globex']],
  );
});
