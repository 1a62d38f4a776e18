import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { until } from '../../../../test/harness.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { failures, IdentityProvider } from '../../../../test/support/identity-provider.ts';
import { HOUR, MINUTE, SECOND, SupervisedKeys, superviseKeys } from '../../../../test/support/supervised-keys.ts';

suite('the last known keys', () => {
  function directory(): { path: string; [Symbol.dispose](): void } {
    const path = mkdtempSync(join(tmpdir(), 'sluice-jwks-'));
    return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
  }

  /** The clock of a process that started after `milliseconds`. */
  function later(milliseconds: number): FakeClock {
    const clock = new FakeClock();
    clock.advance(milliseconds);
    return clock;
  }

  async function remember(provider: IdentityProvider, stateDirectory: string): Promise<string> {
    await using _ = await superviseKeys(provider, { stateDirectory });
    const [file = ''] = readdirSync(stateDirectory);
    return join(stateDirectory, file);
  }

  test('serve a start while the issuer is down, from a private file', async () => {
    using state = directory();
    await using provider = await IdentityProvider.start();
    const file = await remember(provider, state.path);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readdirSync(state.path).length, 1);
    await provider.leave();
    await using keys = await superviseKeys(provider, { stateDirectory: state.path, clock: later(24 * HOUR) });
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(keys.state().obtained, true);
    assert.equal(keys.report.obtainedAt, '2026-01-01T00:00:00.000Z');
    assert.match(keys.problems[0] ?? '', /those of 2026-01-01T00:00:00.000Z are used until 2026-01-02T00:10/);
    await keys.pass(11 * MINUTE);
    assert.equal(keys.state().obtained, false);
  });

  test('serve while the issuer takes its time to answer', async () => {
    using state = directory();
    await using provider = await IdentityProvider.start();
    await remember(provider, state.path);
    provider.failure = failures.slow;
    await using keys = new SupervisedKeys({ issuer: [provider.issuer], stateDirectory: state.path });
    await until('it was asked', () => provider.requests.length === 3);
    keys.clock.advance(SECOND);
    assert.deepEqual({ ...keys.state(), keys: keys.kids }, { keys: ['first'], obtained: true, failure: null });
    assert.deepEqual(keys.problems, []);
  });

  test('are not preferred to what the issuer says', async () => {
    using state = directory();
    await using provider = await IdentityProvider.start();
    await remember(provider, state.path);
    await provider.rotate('second');
    await using keys = await superviseKeys(provider, { stateDirectory: state.path });
    assert.deepEqual(keys.kids, ['second']);
  });

  const useless: Record<string, (file: string) => FakeClock> = {
    'too old': () => later(25 * HOUR),
    'of a later time': () => later(-HOUR),
    damaged: (file) => {
      writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20));
      return later(0);
    },
    huge: (file) => {
      writeFileSync(file, ' '.repeat(2 ** 20));
      return later(0);
    },
    'of no time': (file) => {
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"obtainedAt":\d+/, '"obtainedAt":"now"'));
      return later(0);
    },
  };
  for (const [what, spoil] of Object.entries(useless)) {
    test(`are not used when they are ${what}`, async () => {
      using state = directory();
      await using provider = await IdentityProvider.start();
      const clock = spoil(await remember(provider, state.path));
      await provider.leave();
      await using keys = await superviseKeys(provider, { stateDirectory: state.path, clock });
      assert.equal(keys.state().obtained, false);
    });
  }

  test('of another source are not taken', async () => {
    using state = directory();
    await using provider = await IdentityProvider.start();
    await remember(provider, state.path);
    await provider.leave();
    const { jwksUrl } = provider;
    await using keys = await superviseKeys(provider, { stateDirectory: state.path, jwksUrl });
    assert.equal(keys.state().obtained, false);
  });

  test('that cannot be written are said once', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider, { stateDirectory: join(tmpdir(), 'sluice-no-such-folder', 'x') });
    await keys.pass(9 * MINUTE);
    assert.equal(provider.asked, 2);
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(keys.problems.length, 1);
    assert.match(keys.problems[0] ?? '', /cannot be kept/);
  });
});
