import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DnsServer, type DnsZone } from '../../../test/support/dns-server.ts';
import type { AddressSource, ServiceSource } from '../../compile/upstream-work.ts';
import { addressPlace, servicePlace } from './dns-places.ts';

const never = new AbortController().signal;
const common = { tls: false, basePath: '/v1', ttl: { min: 1_000, max: 60_000 }, timeout: 1_000, keepFor: 0 };

function addresses({ address }: DnsServer, more: Partial<AddressSource> = {}): AddressSource {
  const own = { kind: 'dns', name: 'orders.test', port: 80, family: 'any', weight: 2, priority: 1 } as const;
  return { ...common, ...own, servers: [address], ...more };
}

function service({ address }: DnsServer): ServiceSource {
  return { ...common, kind: 'srv', name: '_http._tcp.test', servers: [address] };
}

/** By question; what is not there does not exist. */
function zone(records: Readonly<Record<string, ReturnType<DnsZone>>>): DnsZone {
  return (question) => (question in records ? (records[question] ?? null) : { code: 3 });
}

const a = (value: string, ttl = 30) => ({ type: 'A', value, ttl }) as const;
const aaaa = (value: string, ttl = 30) => ({ type: 'AAAA', value, ttl }) as const;
const srv = (value: string, ttl = 30) => ({ type: 'SRV', value, ttl }) as const;

describe('addresses of a name', () => {
  test('each is an endpoint under its address, which keeps its name', async () => {
    await using server = await DnsServer.start(
      zone({
        'A orders.test': { answers: [a('10.0.0.2'), a('10.0.0.1', 20)] },
        'AAAA orders.test': { answers: [aaaa('2001:db8::1', 40)] },
      }),
    );
    const found = await addressPlace(addresses(server, { tls: true, port: 443 })).look(never);
    assert.deepEqual(
      found.endpoints.map(({ url }) => url),
      ['https://10.0.0.1:443/v1', 'https://10.0.0.2:443/v1', 'https://[2001:db8::1]:443/v1'],
    );
    assert.deepEqual(found.endpoints[0], {
      url: 'https://10.0.0.1:443/v1',
      tls: true,
      host: 'orders.test',
      address: '10.0.0.1',
      port: 443,
      path: null,
      basePath: '/v1',
      weight: 2,
      priority: 1,
    });
    assert.deepEqual([found.nextIn, found.failure], [20_000, null]);
  });

  test('the time to live has bounds', async () => {
    await using server = await DnsServer.start(zone({ 'A orders.test': { answers: [a('10.0.0.1', 0)] } }));
    const place = addressPlace(addresses(server));
    assert.equal((await place.look(never)).nextIn, 1_000);
    server.zone = zone({ 'A orders.test': { answers: [a('10.0.0.1', 86_400)] } });
    assert.equal((await place.look(never)).nextIn, 60_000);
  });

  test('a family that cannot be asked for stays as it was', async () => {
    const v4 = { answers: [a('10.0.0.1')] };
    await using server = await DnsServer.start(
      zone({ 'A orders.test': v4, 'AAAA orders.test': { answers: [aaaa('2001:db8::1')] } }),
    );
    const place = addressPlace(addresses(server));
    await place.look(never);
    server.zone = zone({ 'A orders.test': { answers: [a('10.0.0.9')] }, 'AAAA orders.test': { code: 2 } });
    for (let i = 0; i < 2; i++) {
      const found = await place.look(never);
      assert.deepEqual(
        found.endpoints.map(({ address }) => address),
        ['10.0.0.9', '2001:db8::1'],
      );
      assert.match(found.failure ?? '', /SERVFAIL/);
    }
    // Both: the look as a whole has failed only when nothing is known.
    server.zone = () => ({ code: 2 });
    assert.equal((await place.look(never)).endpoints.length, 2);
    await assert.rejects(addressPlace(addresses(server)).look(never), /SERVFAIL/);
  });

  test('no such name, and a name without addresses, are empty answers', async () => {
    await using server = await DnsServer.start(() => ({ code: 3, authority: [{ type: 'SOA', ttl: 60, value: '5' }] }));
    const place = addressPlace(addresses(server));
    assert.deepEqual(await place.look(never), { endpoints: [], problems: [], failure: null, nextIn: 5_000 });
    server.zone = () => ({});
    assert.deepEqual(await place.look(never), { endpoints: [], problems: [], failure: null, nextIn: 10_000 });
  });

  test('one family only', async () => {
    await using server = await DnsServer.start(zone({ 'A orders.test': { answers: [a('10.0.0.1')] } }));
    await addressPlace(addresses(server, { family: 'ipv4' })).look(never);
    assert.deepEqual(server.questions, ['A orders.test']);
  });
});

describe('records of a service', () => {
  test('hosts, ports, weights and groups', async () => {
    await using server = await DnsServer.start(
      zone({
        'SRV _http._tcp.test': {
          answers: [srv('10 0 8080 a.test', 50), srv('10 5 8081 b.test', 50), srv('20 5 8082 a.test', 50)],
          additional: [{ ...a('10.0.0.2', 40), owner: 'b.test' }],
        },
        'A a.test': { answers: [a('10.0.0.1', 45)] },
      }),
    );
    const found = await servicePlace(service(server)).look(never);
    assert.deepEqual(
      found.endpoints.map(({ url, host, weight, priority }) => [url, host, weight, priority]),
      [
        ['http://10.0.0.1:8080/v1', 'a.test', 1, 0],
        ['http://10.0.0.1:8082/v1', 'a.test', 5, 1],
        ['http://10.0.0.2:8081/v1', 'b.test', 5, 0],
      ],
    );
    assert.equal(found.nextIn, 40_000);
    assert.ok(!server.questions.includes('A b.test'));
  });

  test('a host that cannot be looked up stays as it was; one without an address is left out', async () => {
    const services = { answers: [srv('1 1 80 a.test'), srv('1 1 80 b.test')] };
    await using server = await DnsServer.start(
      zone({
        'SRV _http._tcp.test': services,
        'A a.test': { answers: [a('10.0.0.1')] },
        'A b.test': { answers: [a('10.0.0.2')] },
      }),
    );
    const place = servicePlace(service(server));
    await place.look(never);
    server.zone = zone({
      'SRV _http._tcp.test': services,
      'A a.test': { code: 2 },
      'AAAA a.test': { code: 2 },
      'A b.test': { answers: [a('10.0.0.3')] },
    });
    const found = await place.look(never);
    assert.deepEqual(
      found.endpoints.map(({ address }) => address),
      ['10.0.0.1', '10.0.0.3'],
    );
    assert.match(found.failure ?? '', /SERVFAIL/);
    server.zone = zone({ 'SRV _http._tcp.test': services, 'A b.test': { answers: [a('10.0.0.3')] } });
    assert.deepEqual((await place.look(never)).problems, ['a.test has no address']);
    // All of them: somebody's mistake, and not the news that the service is gone.
    server.zone = zone({ 'SRV _http._tcp.test': services });
    await assert.rejects(place.look(never), /has no address/);
  });

  test('a service that is decidedly not there', async () => {
    await using server = await DnsServer.start(zone({ 'SRV _http._tcp.test': { answers: [srv('0 0 0 .', 300)] } }));
    assert.deepEqual((await servicePlace(service(server)).look(never)).endpoints, []);
  });
});
