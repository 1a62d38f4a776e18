import type { Command } from 'commander';
import type { RecordsState } from '../plan/records.ts';
import type { UsageView } from '../supervisor/usage-view.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, ExitCode, print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { table } from './table.ts';

interface AdjustOptions extends ConfigOptions {
  readonly period?: string;
}

const SUBJECT = 'name of a consumer, or `consumer:…`, `identity:ENTRY:ID`, `key:ID`';

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)));
  withJson(withConfig(command))
    .argument('[caller]', `${SUBJECT}; all when left out`)
    .action((caller: string | undefined, _options: ConfigOptions, self: Command) => list(caller, self.opts()));
  add('reset', 'nothing was used in the present period')
    .argument('<caller>', SUBJECT)
    .option('--period <period>', 'as the list names it; all of the plan when left out')
    .action((caller: string, _options: AdjustOptions, self: Command) => adjust(caller, { reset: true }, self));
  add('add', 'add to what was used; a number below 0 takes away')
    .argument('<caller>', SUBJECT)
    .argument('<requests>', 'how many')
    .option('--period <period>', 'as the list names it; all of the plan when left out')
    .allowUnknownOption()
    .action((caller: string, requests: string, _options: AdjustOptions, self: Command) => {
      if (!/^[+-]?\d{1,11}$/.test(requests)) throw new CommandError(`\`${requests}\` is no number`, ExitCode.usage);
      return adjust(caller, { add: Number(requests) }, self);
    });
}

async function list(caller: string | undefined, options: ConfigOptions): Promise<void> {
  const query = caller === undefined ? '' : `?subject=${encodeURIComponent(caller)}`;
  const answer = await askGateway(configFiles(options), 'GET', `/usage${query}`);
  const { usage, store } = readAnswer<{ usage: UsageView[]; store: RecordsState | null }>(answer, 200);
  if (options.json) printJson(usage);
  else if (usage.length === 0) print(caller === undefined ? 'Nobody has used anything yet.' : nothing(caller));
  else print(render(usage));
  if (store?.failure) process.stderr.write(`sluice: ${store.failure}: this is what this process knows\n`);
}

async function adjust(caller: string, change: object, command: Command): Promise<void> {
  // Options may stand before the name of the subcommand too.
  const options = command.optsWithGlobals<AdjustOptions>();
  const body = { subject: caller, period: options.period, ...change };
  const answer = await askGateway(configFiles(options), 'POST', '/usage/adjust', body);
  const { usage } = readAnswer<{ usage: UsageView[] }>(answer, 200);
  if (options.json) printJson(usage);
  else if (usage.length === 0) print(nothing(caller));
  else print(render(usage));
}

function nothing(caller: string): string {
  return `${caller} has used nothing in the present period.`;
}

function render(usage: readonly UsageView[]): string {
  return table(
    ['caller', 'plan', 'period', 'used', 'limit', 'left', 'share', 'resets'],
    usage.map(({ subject, plan, period, used, limit, remaining, resetsAt }) => [
      subject,
      plan ?? '-',
      period,
      String(used),
      limit === null ? '-' : String(limit),
      remaining === null ? '-' : String(remaining),
      limit === null ? '-' : `${Math.floor((used / limit) * 100)} %`,
      `${resetsAt.slice(0, 16)}Z`,
    ]),
  );
}
