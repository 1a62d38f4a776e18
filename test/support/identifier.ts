import type { Identity } from '../../src/plan/exchange.ts';
import type { Consumer, IdentifierEnv, RevocationKind, Revocations } from '../../src/plan/identifier.ts';
import { Reply } from '../../src/plan/reply.ts';
import { TestFeeds } from './feeds.ts';

/** Drives one entry of `auth` without a gateway around it. */
export interface TestIdentifierEnv extends IdentifierEnv {
  readonly feeds: TestFeeds;
  readonly revocations: TestRevocations;
  readonly lines: string[];
  readonly problems: string[];
}

export class TestRevocations implements Revocations {
  version = 0;
  readonly #revoked = new Set<string>();

  isRevoked(kind: RevocationKind, id: string): boolean {
    return this.#revoked.has(`${kind} ${id}`);
  }

  revoke(kind: RevocationKind, id: string): void {
    this.#revoked.add(`${kind} ${id}`);
    this.version++;
  }
}

export function identifierEnv(
  overrides: Partial<IdentifierEnv> & { consumers?: ReadonlyMap<string, Consumer> } = {},
): TestIdentifierEnv {
  const feeds = new TestFeeds();
  const lines: string[] = [];
  const problems: string[] = [];
  return {
    entry: 'customer',
    consumers: new Map(),
    defaultPlan: null,
    feed: (name) => feeds.find(name),
    service: () => {
      throw new Error('this entry asks nobody');
    },
    log: { write: (line) => lines.push(line) },
    problem: (message) => problems.push(message),
    ...overrides,
    feeds,
    revocations: new TestRevocations(),
    lines,
    problems,
  };
}

export function consumer(overrides: Partial<Consumer> = {}): Consumer {
  return { plan: null, roles: [], groups: [], keys: [], ...overrides };
}

/** Who an answer says it is, or the code of the refusal; null: no credential. */
export function verdict(answer: Identity | Reply | undefined): string | null {
  if (answer === undefined) return null;
  return answer instanceof Reply ? (answer.error?.code ?? String(answer.status)) : answer.id;
}
