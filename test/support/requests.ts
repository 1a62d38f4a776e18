import assert from 'node:assert/strict';
import { HeaderBlock } from '../../src/base/headers.ts';
import type { Route } from '../../src/plan/plan.ts';
import { Reply } from '../../src/plan/reply.ts';
import { until } from '../harness.ts';
import { handRoute } from './plan.ts';
import { connectRaw, type RawPeer } from './raw.ts';

/** The plainest request there is, and what tests do with it. */
export const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

/** Sends one; it is the connection's `count`th, and answered with 200. */
export async function ask(peer: RawPeer, count = 1): Promise<void> {
  peer.send(GET);
  assert.equal((await peer.responses(count)).at(-1)?.status, 200);
}

/** A route that answers 200 with this text. */
export function fixed(text: string | Buffer): Route {
  return handRoute({
    dispatch: () => assert.fail('the hook answers'),
    request: [{ phase: 'guard', run: () => new Reply(200, HeaderBlock.of([]), text) }],
  });
}

export async function nobodyListens(where: number | string): Promise<void> {
  await until(`nobody listens on ${where}`, async () => {
    try {
      (await connectRaw(where)).destroy();
      return false;
    } catch {
      return true;
    }
  });
}
