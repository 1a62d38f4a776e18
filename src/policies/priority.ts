import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import type { Condition } from '../plan/condition.ts';
import type { Exchange } from '../plan/exchange.ts';
import { definePolicy, type Finding } from '../plan/policy.ts';
import { NORMAL, type Priority, type PriorityName, priorityNames, priorityOf } from '../plan/priority.ts';
import { Reply } from '../plan/reply.ts';
import { refuseOrReport } from '../plan/report.ts';

const priorityName = z.enum(priorityNames);

interface Options {
  readonly class: PriorityName;
  readonly plans: Readonly<Record<string, PriorityName>>;
  readonly rules: readonly { readonly when: string; readonly class: PriorityName }[];
  readonly report: boolean;
}

const long = z.strictObject({
  class: priorityName.default('normal').describe('Of requests for which nothing else holds.'),
  plans: z
    .record(z.string().min(1), priorityName)
    .default({})
    .describe('By the plan of the caller; `free: low` turns its callers away first.'),
  rules: z
    .array(
      z.strictObject({
        when: z.string().min(1).describe('CEL: which requests it is for.'),
        class: priorityName.describe('What these requests are.'),
      }),
    )
    .default([])
    .describe('The first that holds counts, before `plans` and `class`.'),
  report: z.boolean().default(false).describe('Count and log what would be turned away, and let it pass.'),
});

const schema = z.union([
  priorityName.transform((name): Options => ({ class: name, plans: {}, rules: [], report: false })),
  long,
]);

interface Rule {
  readonly condition: Condition;
  readonly priority: Priority;
}

export const priority = definePolicy<Options>({
  name: 'priority',
  summary:
    'What goes first where not everything can go: `high`, `normal` or `low`. While a worker has too much to do, requests of low priority get 503 with `Retry-After`, then those of normal priority; high ones do not. Lines of `concurrency` go by it too.',
  schema,
  examples: [
    { title: 'Reports can wait', options: 'low' },
    {
      title: 'By plan, and bulk jobs last',
      options: {
        plans: { gold: 'high', free: 'low' },
        rules: [{ when: "'x-batch' in header", class: 'low' }],
      },
    },
  ],
  compile({ class: otherwise, plans, rules: given, report }, env) {
    const rules = given.map(
      ({ when, class: name }, index): Rule => ({
        condition: env.condition(when, ['rules', index, 'when']),
        priority: priorityOf(name),
      }),
    );
    const byPlan = new Map(Object.entries(plans).map(([plan, name]) => [plan, priorityOf(name)]));
    const reads = [...new Set(rules.flatMap(({ condition }) => condition.reads))];
    const fallback = priorityOf(otherwise);
    const { overload, log } = env;
    const classOf = (exchange: Exchange): Priority => {
      for (let i = 0; i < rules.length; i++) {
        const rule = rules[i] as Rule;
        if (rule.condition.holds(exchange)) return rule.priority;
      }
      const plan = exchange.identity?.plan ?? null;
      return plan === null ? fallback : (byPlan.get(plan) ?? fallback);
    };
    const isFixed = rules.length === 0 && byPlan.size === 0;
    const isLate = byPlan.size > 0 || reads.includes('identity');
    return {
      reads,
      request: {
        // Refusing is cheapest before anything else is done.
        phase: isLate ? 'throttle' : 'guard',
        run(exchange) {
          const own = isFixed ? fallback : classOf(exchange);
          exchange.priority = own;
          if (!overload.sheds(own)) return undefined;
          if (report) return refuseOrReport(true, log, 'priority', exchange, errors.overloaded);
          return Reply.refuseFor(overload.shed(own), errors.overloaded);
        },
        explain(exchange): Finding[] {
          const own = priorityNames[classOf(exchange)] ?? priorityNames[NORMAL];
          return [{ text: `its priority is \`${own}\``, holds: null, path: [] }];
        },
      },
    };
  },
});
