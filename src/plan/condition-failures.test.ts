import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compileCondition } from './condition.ts';
import { FailureLog } from './condition-failures.ts';

test('one line a minute, with how often it failed since the last one', () => {
  const lines: Record<string, unknown>[] = [];
  const log = new FailureLog({ write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const { condition } = compileCondition("header.a == 'secret'", []);
  assert.ok(condition !== null);
  const failure = { condition, why: '`header.a` is missing', exchange: exchangeOf() };
  for (const now of [0, 1, 59_999, 60_000, 60_001, 120_000]) log.add(failure, now);
  assert.deepEqual(
    lines.map(({ times }) => times),
    [1, 3, 2],
  );
  const { time: _, ...rest } = lines[0] ?? {};
  assert.deepEqual(rest, {
    event: 'condition-failed',
    condition: "header.a == 'secret'",
    reason: '`header.a` is missing',
    times: 1,
    route: 'GET /v1/orders/{id}',
  });
});
