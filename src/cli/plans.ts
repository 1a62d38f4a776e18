import type { Command } from 'commander';
import { formatRate } from '../base/units.ts';
import type { PlanView } from '../supervisor/usage-view.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { table } from './table.ts';

export function define(command: Command): void {
  withJson(withConfig(command)).action(show);
}

/** Those in service, which may be older than the files. */
async function show(options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'GET', '/plans');
  const { plans } = readAnswer<{ plans: PlanView[] }>(answer, 200);
  if (options.json) printJson(plans);
  else if (plans.length === 0) print('There are no plans.');
  else print(render(plans));
}

function render(plans: readonly PlanView[]): string {
  return table(
    ['plan', 'rate', 'burst', 'quotas', 'by', 'consumers', 'default of'],
    plans.map(({ name, rate, quotas, by, report, consumers, auth }) => [
      report ? `${name} (report)` : name,
      rate === null ? '-' : formatRate({ limit: rate.limit, per: rate.periodMs }),
      rate === null ? '-' : String(rate.burst),
      quotas.map(({ limit, period }) => `${limit} per ${period}`).join(', ') || '-',
      by,
      consumers.join(' ') || '-',
      auth.join(' ') || '-',
    ]),
  );
}
