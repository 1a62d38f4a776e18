import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TestBudget } from '../../test/support/budget.ts';
import { ask, checkText, planOf, type TestPorts, testPorts } from '../../test/support/compiled.ts';
import { type Circuit, type CircuitOptions, closedCircuit } from '../plan/breaker.ts';
import type { Plan } from '../plan/plan.ts';
import type { DispatchHook } from '../plan/policy.ts';
import type { RetryBudgetOptions } from '../plan/retry-budget.ts';
import { mergedLayers } from './upstream-layers.ts';

/** What a plan opens, and what its calls go through. */
class Opened {
  readonly circuits: (CircuitOptions & { circuit: Circuit & { isClosed: boolean } })[] = [];
  readonly budgets: (RetryBudgetOptions & { budget: TestBudget })[] = [];
  readonly admitted: string[] = [];
  readonly ports: TestPorts = testPorts({
    circuit: (options) => {
      const circuit = {
        ...closedCircuit,
        isClosed: false,
        admit: () => {
          this.admitted.push(options.scope.kind);
          return 0;
        },
        close() {
          this.isClosed = true;
        },
      };
      this.circuits.push({ ...options, circuit });
      return circuit;
    },
    retryBudget: (options) => {
      const budget = new TestBudget();
      this.budgets.push({ ...options, budget });
      return budget;
    },
  });

  async plan(text: string): Promise<Plan> {
    const checked = await checkText(text);
    assert.deepEqual(checked.problems, []);
    return planOf(checked, this.ports);
  }

  /** Calls that budgets have counted, by upstream and share. */
  get counted(): string[] {
    return this.budgets.filter(({ budget }) => budget.calls > 0).map(({ upstream, share }) => `${upstream} ${share}`);
  }
}

const upstreams = `upstreams:
  orders: { targets: [http://127.0.0.1:1], retry: { budget: 10% }, breaker: true }
  next: { targets: [http://127.0.0.1:2], retry: { budget: 20% } }
  plain: http://127.0.0.1:3
`;

describe('retry of a route and of its upstream', () => {
  const asking = async (routes: string, path = '/a'): Promise<string[]> => {
    const opened = new Opened();
    ask(await opened.plan(upstreams + routes), 'GET', `http://h${path}`);
    return opened.counted;
  };

  test('the upstream’s holds for every route', async () => {
    assert.deepEqual(await asking('routes: { /a: orders }'), ['orders 0.1']);
  });

  test('a route’s takes its place', async () => {
    assert.deepEqual(await asking('routes: { /a: { to: orders, retry: { budget: 30% } } }'), ['orders 0.3']);
    assert.deepEqual(await asking('routes: { /a: { to: plain, retry: { budget: 30% } } }'), ['plain 0.3']);
  });

  test('`false` turns it off, inherited or not', async () => {
    assert.deepEqual(await asking('routes: { /a: { to: orders, retry: false } }'), []);
    assert.deepEqual(await asking('defaults: { retry: false }\nroutes: { /a: orders }'), []);
    const nearer = 'defaults: { retry: false }\nroutes: { /a: { to: orders, retry: true } }';
    assert.deepEqual(await asking(nearer), ['orders 0.2']);
    const farther = 'defaults: { retry: true }\nroutes: { /a: { to: orders, retry: false } }';
    assert.deepEqual(await asking(farther), []);
  });

  test('each upstream of a split has a budget of its own', async () => {
    const opened = new Opened();
    await opened.plan(`${upstreams}routes: { /a: { to: { orders: 1, next: 1 }, retry: { budget: 30% } } }`);
    const ofRoute = opened.budgets.filter(({ share }) => share === 0.3).map(({ upstream }) => upstream);
    assert.deepEqual(ofRoute, ['orders', 'next']);
  });

  test('a route without a service has nothing to be asked again', async () => {
    const opened = new Opened();
    const plan = await opened.plan('routes: { /a: { respond: 200, retry: true } }');
    assert.equal(ask(plan, 'GET', 'http://h/a').status, 200);
    assert.deepEqual(opened.budgets, []);
  });
});

describe('breakers', () => {
  test('of a route and of its upstream are both asked, the route’s first', async () => {
    const opened = new Opened();
    const plan = await opened.plan(`${upstreams}routes: { /a: { to: orders, breaker: true }, /b: orders }`);
    ask(plan, 'GET', 'http://h/a');
    assert.deepEqual(opened.admitted, ['route', 'upstream']);
    ask(plan, 'GET', 'http://h/b');
    assert.deepEqual(opened.admitted.slice(2), ['upstream']);
    assert.deepEqual(
      opened.circuits.map(({ scope }) => `${scope.kind}:${scope.name}`),
      ['upstream:orders', 'route:default /a'],
    );
  });

  test('each route that inherits one has one of its own', async () => {
    const opened = new Opened();
    await opened.plan('defaults: { breaker: true }\nroutes: { /a: http://127.0.0.1:1, /b: http://127.0.0.1:1 }');
    const names = opened.circuits.filter(({ scope }) => /\/[ab]$/.test(scope.name)).map(({ scope }) => scope.name);
    assert.deepEqual(names, ['default /a', 'default /b']);
  });
});

test('what a plan has opened is closed with it', async () => {
  const opened = new Opened();
  const plan = await opened.plan(`${upstreams}routes: { /a: { to: orders, breaker: true } }`);
  assert.ok(opened.circuits.length === 2 && opened.budgets.length === 2);
  plan.release();
  assert.ok(opened.circuits.every(({ circuit }) => circuit.isClosed));
  assert.ok(opened.budgets.every(({ budget }) => budget.isClosed));
});

test('layers stand in their order, a route’s outside of its upstream’s', () => {
  const hook = (layer: DispatchHook['layer'], from: string, replacesUpstreams?: true) => ({
    layer,
    from,
    ...(replacesUpstreams && { replacesUpstreams }),
  });
  const merged = mergedLayers<Pick<DispatchHook, 'layer' | 'replacesUpstreams'> & { from: string }>(
    [hook('retry', 'route', true), hook('breaker', 'route'), hook('fault', 'route')],
    [hook('admit', 'upstream'), hook('retry', 'upstream'), hook('breaker', 'upstream'), hook('sign', 'upstream')],
  );
  assert.deepEqual(
    merged.map(({ layer, from }) => `${layer} ${from}`),
    ['admit upstream', 'retry route', 'breaker route', 'breaker upstream', 'fault route', 'sign upstream'],
  );
});

describe('the time that services are told of', () => {
  const headerOf = async (timeout: string) => {
    const opened = new Opened();
    await opened.plan(`upstreams: { a: { targets: [http://127.0.0.1:1], timeout: ${timeout} } }\nroutes: { /a: a }`);
    return opened.ports.opened[0]?.deadlineHeader;
  };

  test('in a header by name, in a unit, from clients too', async () => {
    assert.equal(await headerOf('5s'), null);
    assert.deepEqual(await headerOf('{ propagate: X-Request-Timeout }'), {
      name: 'x-request-timeout',
      format: 'ms',
      trust: false,
    });
    assert.deepEqual(await headerOf('{ propagate: grpc-timeout }'), {
      name: 'grpc-timeout',
      format: 'grpc',
      trust: false,
    });
    assert.deepEqual(await headerOf('{ propagate: { header: x-timeout, unit: s, trust: true } }'), {
      name: 'x-timeout',
      format: 's',
      trust: true,
    });
  });

  test('but not in one that frames a message', async () => {
    const { problems } = await checkText(
      'upstreams: { a: { targets: [http://127.0.0.1:1], timeout: { propagate: content-length } } }\nroutes: { /a: a }',
    );
    assert.equal(problems.length, 1);
  });
});

test('explain tells whose retry holds', async () => {
  const { Explainer } = await import('./explain.ts');
  const { registry } = await import('../policies/registry.ts');
  const checked = await checkText(`${upstreams}routes: { /a: { to: orders, retry: { attempts: 3 } }, /b: orders }`);
  const explainer = (await Explainer.of(checked, registry)) ?? assert.fail();
  const steps = (url: string): string[] => {
    const { run } = explainer.explain({ method: 'GET', url, headers: [], client: '192.0.2.1', caller: 'unknown' });
    return (run?.steps ?? []).map(({ stage, policy }) => `${stage} ${policy}`);
  };
  assert.deepEqual(steps('http://h/a'), ['retry retry', 'breaker breaker of orders']);
  assert.deepEqual(steps('http://h/b'), ['retry retry of orders', 'breaker breaker of orders']);
});
