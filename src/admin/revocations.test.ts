import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { TestFeed } from '../../test/support/feeds.ts';
import type { Revoked } from '../policies/auth/revocations.ts';
import { MemoryRecords } from '../stores/memory-records.ts';
import { RevocationDesk } from '../supervisor/revocations.ts';
import { addRevocationRoutes } from './revocations.ts';

class Bench implements AsyncDisposable {
  readonly records = new MemoryRecords(() => undefined);
  readonly desk = new RevocationDesk(this.records, new TestFeed<Revoked>(), () => undefined);
  readonly app: FastifyInstance = Fastify();
  constructor(desk: boolean) {
    const guarded = {
      onRequest: async (
        request: { headers: { authorization?: string } },
        reply: { code(status: number): { send(): void } },
      ) => {
        if (request.headers.authorization !== 'Bearer right') return reply.code(401).send();
      },
    };
    addRevocationRoutes(this.app, guarded as object, () => (desk ? this.desk : null));
  }
  async ask(method: 'GET' | 'POST', url: string, payload?: object): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: 'Bearer right' };
    const answer = await this.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    return { status: answer.statusCode, body: answer.json() };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.desk.close();
    await this.records.close();
    await this.app.close();
  }
}

const codeOf = ({ body }: { body: unknown }): unknown => (body as { code?: unknown }).code;

describe('revocations by the admin API', () => {
  it('are made, listed and undone', async () => {
    await using bench = new Bench(true);
    const made = await bench.ask('POST', '/revocations', { kind: 'subject', id: 'a/b?c d', for: '1h', reason: 'x' });
    assert.equal(made.status, 201);
    const listed = await bench.ask('GET', '/revocations');
    assert.deepEqual(listed, { status: 200, body: { revocations: [made.body] } });
    const undo = (): ReturnType<Bench['ask']> =>
      bench.ask('POST', '/revocations/undo', { kind: 'subject', id: 'a/b?c d' });
    assert.deepEqual(await undo(), { status: 200, body: { kind: 'subject', id: 'a/b?c d' } });
    const again = await undo();
    assert.deepEqual([again.status, codeOf(again)], [404, 'revocation_unknown']);
    assert.deepEqual((await bench.ask('GET', '/revocations')).body, { revocations: [] });
  });

  it('need the token', async () => {
    await using bench = new Bench(true);
    for (const [method, url] of [
      ['GET', '/revocations'],
      ['POST', '/revocations'],
      ['POST', '/revocations/undo'],
    ] as const) {
      const answer = await bench.app.inject({ method, url, payload: { kind: 'token', id: 'a' } });
      assert.equal(answer.statusCode, 401, `${method} ${url}`);
    }
    assert.deepEqual(await bench.desk.list(), []);
  });

  it('are refused in words: what makes no sense, a store that is away, a process that starts', async () => {
    await using bench = new Bench(true);
    const wrong = await bench.ask('POST', '/revocations', { kind: 'user', id: 'a' });
    assert.deepEqual([wrong.status, codeOf(wrong)], [422, 'revocation_invalid']);
    await bench.records.close();
    for (const [method, url] of [
      ['GET', '/revocations'],
      ['POST', '/revocations'],
      ['POST', '/revocations/undo'],
    ] as const) {
      const payload = method === 'GET' ? undefined : { kind: 'token', id: 'a' };
      const away = await bench.ask(method, url, payload);
      assert.deepEqual([away.status, codeOf(away)], [503, 'store_unavailable'], `${method} ${url}`);
    }
    await using starting = new Bench(false);
    assert.equal(codeOf(await starting.ask('GET', '/revocations')), 'starting');
  });
});
