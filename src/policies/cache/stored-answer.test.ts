import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, ClientAnswer } from '../../../test/support/cached-route.ts';

/** Somebody cancels while the answer is being handed over, as a connection that breaks does, or a policy that replaces it. */
async function cancelled(during: 'head' | 'data'): Promise<{ route: CachedRoute; answer: ClientAnswer }> {
  const route = new CachedRoute();
  await route.fetch({ headers: { 'cache-control': 'max-age=60' } });
  const asked = route.ask('/things/2');
  class Leaving extends ClientAnswer {
    override head(...given: Parameters<ClientAnswer['head']>): void {
      super.head(...given);
      if (during === 'head') this.call.cancel();
    }

    override data(...given: Parameters<ClientAnswer['data']>): boolean {
      super.data(...given);
      this.call.cancel();
      return false;
    }
  }
  const exchange = asked.exchange;
  exchange.target = exchange.path = '/things/1';
  return { route, answer: route.askAs((call) => new Leaving(exchange, call, route.hooks), exchange) };
}

describe('an answer from memory that is cancelled on its way', () => {
  it('gives back what is stored', async () => {
    for (const during of ['head', 'data'] as const) {
      const { route } = await cancelled(during);
      assert.equal(route.store.held, 0, during);
    }
  });

  it('says nothing more', async () => {
    const { answer } = await cancelled('head');
    assert.deepEqual([answer.body, answer.hasEnded], ['', false]);
    assert.equal((await cancelled('data')).answer.hasEnded, false);
  });
});
