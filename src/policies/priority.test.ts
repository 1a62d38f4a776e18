import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import type { Overload } from '../plan/admission.ts';
import { type Priority, priorityNames } from '../plan/priority.ts';
import { priority } from './priority.ts';

class Shedding implements Overload {
  /** Turned away from this class on. */
  from = 3;
  readonly turnedAway: Priority[] = [];

  sheds(own: Priority): boolean {
    return own >= this.from;
  }

  shed(own: Priority): number {
    this.turnedAway.push(own);
    return 3;
  }
}

function classOf(given: unknown, facts: Parameters<typeof exchangeOf>[0] = {}): string | undefined {
  const exchange = exchangeOf(facts);
  assert.equal(compilePolicy(priority, given).request(exchange), null);
  return priorityNames[exchange.priority];
}

describe('priority', () => {
  test('by route, by plan, and by the first rule that holds', () => {
    assert.equal(classOf('low'), 'low');
    const given = {
      class: 'low',
      plans: { gold: 'high' },
      rules: [
        { when: "'x-batch' in header", class: 'low' },
        { when: "request.method == 'POST'", class: 'normal' },
      ],
    };
    assert.equal(classOf(given), 'low');
    assert.equal(classOf(given, { identity: { plan: 'gold' } }), 'high');
    assert.equal(classOf(given, { identity: { plan: 'silver' } }), 'low');
    assert.equal(classOf(given, { identity: { plan: 'gold' }, headers: [['x-batch', '1']] }), 'low');
    assert.equal(classOf(given, { identity: { plan: 'gold' }, method: 'POST' }), 'normal');
  });

  test('is asked as early as it can be', () => {
    const phaseOf = (given: unknown) => compilePolicy(priority, given).hooks[0]?.request?.phase;
    assert.equal(phaseOf('low'), 'guard');
    assert.equal(phaseOf({ rules: [{ when: "'x-batch' in header", class: 'low' }] }), 'guard');
    assert.equal(phaseOf({ plans: { free: 'low' } }), 'throttle');
    const byIdentity = compilePolicy(priority, { rules: [{ when: "'staff' in identity.roles", class: 'high' }] });
    assert.equal(byIdentity.hooks[0]?.request?.phase, 'throttle');
    assert.deepEqual(byIdentity.hooks[0]?.reads, ['identity']);
    // Everybody has a plan or not: a public route may have this from its defaults.
    assert.deepEqual(compilePolicy(priority, { plans: { free: 'low' } }).hooks[0]?.reads, []);
  });

  test('whoever is turned away hears when to come back', () => {
    const overload = new Shedding();
    const compiled = compilePolicy(priority, 'low', {}, undefined, undefined, { overload });
    assert.equal(compiled.request(exchangeOf()), null);
    overload.from = 2;
    const reply = compiled.request(exchangeOf());
    assert.equal(refusal(reply), errors.overloaded);
    assert.equal(fieldValue(reply?.headers as NonNullable<typeof reply>['headers'], 'retry-after'), '3');
    assert.deepEqual(overload.turnedAway, [2]);
  });

  test('a report lets it pass, and counts nobody as turned away', () => {
    const overload = new Shedding();
    overload.from = 0;
    const compiled = compilePolicy(priority, { class: 'low', report: true }, {}, undefined, undefined, { overload });
    const exchange = exchangeOf();
    assert.equal(compiled.request(exchange), null);
    assert.equal(exchange.reported, 1);
    assert.deepEqual(overload.turnedAway, []);
  });

  test('there are three classes', () => {
    assert.notDeepEqual(problemsOf(priority, 'urgent'), []);
    assert.notDeepEqual(problemsOf(priority, { plans: { gold: 'urgent' } }), []);
  });
});
