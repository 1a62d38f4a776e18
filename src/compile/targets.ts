import { errors } from '../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { type Dispatch, ResponseHead } from '../plan/call.ts';
import { respondWith, TEXT } from '../plan/fixed-answer.ts';
import type { Identifier } from '../plan/identifier.ts';
import type { RequestHook } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import type { RouteTree } from '../plan/route-tree.ts';
import type { Template } from '../plan/template.ts';
import { dateValue } from '../runtime/reply.ts';

/** The ends of dispatch chains that answer here. They speak through the sink, so that every layer works around them. */

const date = fieldName('date');
const location = fieldName('location');
const contentLength = fieldName('content-length');

export function withoutUpgrade(next: Dispatch): Dispatch {
  return function refuseUpgrade(call, sink) {
    call.upgrade = null;
    next(call, sink);
  };
}

/** The paths of an entry of `auth` itself: behind guard and preflight, before anybody has identified. */
export function serveEndpoint(serve: NonNullable<Identifier['serve']>, endpoint: string): RequestHook {
  return { phase: 'identify', run: (exchange) => serve(endpoint, exchange) };
}

export function respondReady(gateway: { ready(): boolean }): Dispatch {
  const headers = [
    ['content-type', TEXT],
    ['cache-control', 'no-store'],
  ] as const;
  const yes = respondWith(200, { headers, body: 'ready\n' });
  return function ready(call, sink) {
    if (gateway.ready()) yes(call, sink);
    else sink.fail(errors.notReady);
  };
}

export function redirectTo(template: Template, status: number, keepQuery: boolean): Dispatch {
  return function redirect({ exchange }, sink) {
    const to = exchange === null ? undefined : template.render(exchange);
    if (exchange === null || to === undefined) {
      sink.fail(errors.missingValue);
      return;
    }
    const { query } = exchange;
    const headers = new HeaderBlock();
    headers.add(location, keepQuery && query !== '' ? `${to}${to.includes('?') ? '&' : '?'}${query}` : to);
    headers.add(contentLength, '0');
    headers.add(date, dateValue());
    sink.head(new ResponseHead(status, headers, 'length', 0));
    sink.end(null);
  };
}

/** For routes whose answer is settled before a dispatch. */
export const neverDispatched: Dispatch = (_call, sink) => sink.fail(errors.internal);

/** Stands behind the preflight phase: nothing of a protection that does not exist is left out by going on. */
export const refuseMissing: RequestHook = {
  phase: 'identify',
  run: () => Reply.refuse(errors.notImplemented),
};

/** 405 where the path is known for other methods, else 404. */
export function refuseUnmatched(gateway: { readonly tree: RouteTree }): RequestHook {
  return {
    phase: 'identify',
    run(exchange) {
      const allow = gateway.tree.allow(exchange.path, exchange);
      if (allow === null) return Reply.refuse(errors.routeNotFound);
      return Reply.refuse(errors.methodNotAllowed, null, HeaderBlock.of([['allow', allow]]));
    },
  };
}
