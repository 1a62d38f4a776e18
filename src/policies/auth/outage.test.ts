import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outage } from './outage.ts';

test('an outage is said at once, then once a minute, and its end once', () => {
  const lines: string[] = [];
  const clock = { now: 0 };
  const outage = new Outage(
    (line) => lines.push(line),
    () => clock.now,
  );
  outage.works();
  for (let i = 0; i < 5; i++) outage.failed('gone');
  for (let i = 0; i < 5; i++) outage.works();
  outage.failed('gone again');
  outage.works();
  clock.now += 60_000;
  outage.failed('still gone');
  outage.close();
  outage.works();
  clock.now += 60_000;
  outage.failed('closed');
  assert.deepEqual(lines, ['gone', 'works again', 'still gone (failures since this was last said: 5)']);
});
