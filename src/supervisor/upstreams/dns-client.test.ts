import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DnsServer, type DnsZone } from '../../../test/support/dns-server.ts';
import { askDns } from './dns-client.ts';

const nobody: DnsZone = () => null;
const never = new AbortController().signal;

describe('asking name servers', () => {
  test('records of services, with their time to live and the addresses that come with them', async () => {
    await using server = await DnsServer.start(() => ({
      answers: [
        { type: 'SRV', ttl: 42, value: '1 10 8080 a.test' },
        { type: 'SRV', ttl: 60, value: '2 0 8081 B.test' },
      ],
      additional: [{ type: 'A', ttl: 7, value: '10.0.0.1', owner: 'a.test' }],
    }));
    const answer = await askDns('_http._tcp.test', 'SRV', { servers: [server.address], timeout: 1_000 }, never);
    assert.deepEqual(answer.services, [
      { priority: 1, weight: 10, port: 8080, target: 'a.test', ttl: 42 },
      { priority: 2, weight: 0, port: 8081, target: 'b.test', ttl: 60 },
    ]);
    assert.equal(answer.ttl, 42);
    assert.deepEqual(answer.added.get('a.test'), [{ address: '10.0.0.1', ttl: 7 }]);
  });

  test('an answer that does not fit is asked for over TCP', async () => {
    const answers = Array.from({ length: 200 }, (_, i) => ({ type: 'A', ttl: 1, value: `10.0.0.${i}` }) as const);
    await using server = await DnsServer.start(() => ({ answers, truncate: true }));
    const answer = await askDns('many.test', 'A', { servers: [server.address], timeout: 1_000 }, never);
    assert.equal(answer.addresses.length, 200);
    assert.deepEqual(server.questions, ['A many.test', 'A many.test']);
  });

  test('the next server is asked when one is silent, refuses or is not there', async () => {
    await using silent = await DnsServer.start(nobody);
    await using refusing = await DnsServer.start(() => ({ code: 5 }));
    await using good = await DnsServer.start(() => ({ answers: [{ type: 'A', ttl: 1, value: '10.0.0.1' }] }));
    const servers = ['127.0.0.1:1', silent.address, refusing.address, good.address];
    const answer = await askDns('a.test', 'A', { servers, timeout: 50 }, never);
    assert.equal(answer.addresses[0]?.address, '10.0.0.1');
  });

  test('what goes wrong is said in words', async () => {
    await using silent = await DnsServer.start(nobody);
    await using failing = await DnsServer.start(() => ({ code: 2 }));
    const ask = (servers: string[], name = 'a.test') => askDns(name, 'A', { servers, timeout: 30 }, never);
    await assert.rejects(ask([silent.address]), /no answer within 30 ms/);
    await assert.rejects(ask([failing.address]), /SERVFAIL/);
    await assert.rejects(ask(['127.0.0.1:1']), /ECONNREFUSED/);
    await assert.rejects(ask([silent.address], 'a..test'), /cannot be a name/);
    // Lost datagrams: each is asked twice.
    assert.equal(silent.questions.length, 2);
  });

  test('no such name is an answer', async () => {
    await using server = await DnsServer.start(() => ({ code: 3, authority: [{ type: 'SOA', ttl: 90, value: '30' }] }));
    const answer = await askDns('a.test', 'A', { servers: [server.address], timeout: 1_000 }, never);
    assert.deepEqual([answer.code, answer.ttl], [3, 30]);
  });

  test('a forged answer before the real one is passed over', async () => {
    await using server = await DnsServer.start(() => ({
      answers: [{ type: 'A', ttl: 1, value: '10.0.0.1' }],
      forged: Buffer.from('00008180000100000000000001610474657374000001000100', 'hex'),
    }));
    const answer = await askDns('a.test', 'A', { servers: [server.address], timeout: 1_000 }, never);
    assert.equal(answer.addresses.length, 1);
  });

  test('it can be called off', async () => {
    await using silent = await DnsServer.start(nobody);
    const controller = new AbortController();
    const asking = askDns('a.test', 'A', { servers: [silent.address], timeout: 60_000 }, controller.signal);
    controller.abort();
    await assert.rejects(asking, { name: 'AbortError' });
  });
});
