import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Exchange, Identity } from '../../src/plan/exchange.ts';
import type { IdentifierEnv, IdentifierModule } from '../../src/plan/identifier.ts';
import { Reply } from '../../src/plan/reply.ts';
import { PooledService } from '../../src/runtime/service.ts';
import { startUpstream, type Upstream } from '../harness.ts';
import { identifierEnv, type TestIdentifierEnv } from './identifier.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** One entry of `auth` that asks a real service, as a worker has it. */
export interface AskingEntry extends AsyncDisposable {
  readonly env: TestIdentifierEnv;
  readonly service: Upstream;
  readonly identifier: ReturnType<IdentifierModule['compile']>;
  /** Runs the entry as the identify phase does: what it takes out of the request is taken out. */
  identify(exchange: Exchange): Promise<Identity | Reply | undefined>;
}

export async function openEntry(
  module: IdentifierModule,
  path: string,
  answer: Answer,
  options: Readonly<Record<string, unknown>> = {},
  overrides: Partial<IdentifierEnv> = {},
): Promise<AskingEntry> {
  const service = await startUpstream(answer);
  const asked: PooledService[] = [];
  const env = identifierEnv({
    ...overrides,
    service: (given) => {
      const pooled = new PooledService(given);
      asked.push(pooled);
      return pooled;
    },
  });
  const identifier = module.compile(module.schema.parse({ url: service.url + path, timeout: '20s', ...options }), env);
  return {
    env,
    service,
    identifier,
    async identify(exchange) {
      const found = await identifier.identify(exchange);
      exchange.identity = found === undefined || found instanceof Reply ? null : found;
      identifier.conceal?.(exchange);
      return found;
    },
    async [Symbol.asyncDispose]() {
      identifier.close();
      for (const pooled of asked) pooled.close();
      await service.close();
    },
  };
}

/** The lines of a reply's or request's fields, sorted. */
export function linesOf({ headers }: Pick<Reply, 'headers'>): string[] {
  const lines: string[] = [];
  headers.forEach((name, value) => {
    lines.push(`${name}: ${value}`);
  });
  return lines.sort();
}

/** The same to every request. */
export function always(status: number, fields: Record<string, string | string[]> = {}, body = ''): Answer {
  return (_request, response) => {
    response.writeHead(status, fields).end(body);
  };
}

/** What an answer that is a reply says; any other fails the test. */
export function replyIn(answer: Identity | Reply | undefined): Reply {
  assert.ok(answer instanceof Reply);
  return answer;
}

export function identityIn(answer: Identity | Reply | undefined): Identity {
  assert.ok(answer !== undefined && !(answer instanceof Reply));
  return answer;
}

/** Facts of a request with that bearer token and further fields. */
export function bearer(
  token: string,
  ...fields: (readonly [string, string])[]
): { headers: (readonly [string, string])[] } {
  return { headers: [['authorization', `Bearer ${token}`], ...fields] };
}

/** Lets everybody in under the name that their token is. */
export const byToken: Answer = ({ headers }, response) => {
  const token = headers.authorization?.replace('Bearer ', '');
  response.writeHead(token === undefined ? 401 : 200, token === undefined ? {} : { 'x-auth-user': token }).end();
};
