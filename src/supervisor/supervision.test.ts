import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import type { SupervisedDocument } from '../compile/plan-document.ts';
import { unasked } from '../compile/unasked.ts';
import type { IdentifierModule } from '../plan/identifier.ts';
import type { Records } from '../plan/records.ts';
import { FeedHub } from './feed-hub.ts';
import { Supervision } from './supervision.ts';
import { UpstreamDesk } from './upstreams/upstream-desk.ts';

function scene(settled?: Promise<void>): { supervision: Supervision; events: string[] } {
  const events: string[] = [];
  const module: IdentifierModule = {
    name: 'jwt',
    summary: '',
    schema: z.unknown(),
    examples: [],
    compile: (_options, { entry }) => unasked(entry),
    supervise(options, env) {
      events.push(`open ${options}`);
      env.feed<number>('keys').replace([['a', 1]]);
      env.report(() => ({ options, entry: env.entry }));
      return { close: () => void events.push(`close ${options}`), ...(settled !== undefined && { settled }) };
    },
  };
  const feeds = new FeedHub(
    () => [{ tell: (message) => void events.push(message.kind === 'feed' ? 'published' : message.kind) }],
    () => undefined,
  );
  const registry = { policies: [], upstreamPolicies: [], identifiers: [module] };
  const records = {} as Records;
  const upstreams = new UpstreamDesk({ endpoint: () => null, breakers: () => new Map() });
  return {
    supervision: new Supervision({
      registry,
      feeds,
      records,
      stateDirectory: null,
      upstreams,
      problem: () => undefined,
    }),
    events,
  };
}

function work(options: string): SupervisedDocument {
  return { owner: options, kind: 'identifier', module: 'jwt', name: 'customer', options, consumers: [] };
}

describe('supervision', () => {
  test('a reload goes on with what is equal, and ends the rest when it is decided', () => {
    const { supervision, events } = scene();
    supervision.change([work('a'), work('b')]).commit();
    events.length = 0;
    const change = supervision.change([work('b'), work('c')]);
    assert.deepEqual(events, ['open c', 'published']);
    change.commit();
    assert.deepEqual(events.slice(2), ['close a', 'feedOver']);
    assert.deepEqual(
      supervision.report().map(({ state }) => state),
      [
        { options: 'b', entry: 'customer' },
        { options: 'c', entry: 'customer' },
      ],
    );
  });

  test('a reload that fails leaves things as they were', () => {
    const { supervision, events } = scene();
    supervision.change([work('a')]).commit();
    events.length = 0;
    supervision.change([work('b')]).abandon();
    assert.deepEqual(events, ['open b', 'published', 'close b', 'feedOver']);
    assert.equal(supervision.report().length, 1);
    supervision.close();
    assert.deepEqual(events.slice(4), ['close a', 'feedOver']);
  });

  test('waits for the first attempts of what is new, but not for ever', async () => {
    const attempt = Promise.withResolvers<void>();
    const { supervision } = scene(attempt.promise);
    const change = supervision.change([work('a')]);
    await change.settled(1);
    let over = false;
    const waiting = change.settled(60_000).then(() => {
      over = true;
    });
    await Promise.resolve();
    assert.equal(over, false);
    attempt.resolve();
    await waiting;
    // Nothing new: nothing to wait for.
    await supervision.change([work('a')]).settled(60_000);
  });
});
