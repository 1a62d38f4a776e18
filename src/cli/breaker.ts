import type { Command } from 'commander';
import type { BreakerOrder, BreakerReading } from '../shared-memory/breaker-view.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { renderBreakers } from './render-breakers.ts';

const NAME = 'as the list names it, or the name of an upstream';

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)));
  const ordering = (usage: string, order: BreakerOrder, summary: string): Command =>
    add(usage, summary)
      .argument('<breaker>', NAME)
      .action((breaker: string, options: ConfigOptions) => give(breaker, order, options));
  add('list', 'circuit breakers, what they are and why').action(list);
  ordering('open', 'open', 'send nothing, until `reset`');
  ordering('close', 'close', 'let everything pass, until `reset`');
  ordering('reset', 'auto', 'close it, forget what it has seen, and let it decide itself');
}

async function list(options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'GET', '/breakers');
  const { breakers } = readAnswer<{ breakers: BreakerReading[] }>(answer, 200);
  if (options.json) printJson(breakers);
  else if (breakers.length === 0) print('There are no breakers. One for each endpoint is there once it was asked.');
  else print(renderBreakers(breakers));
}

async function give(breaker: string, order: BreakerOrder, options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'POST', '/breakers/order', { breaker, order });
  const reading = readAnswer<BreakerReading>(answer, 200);
  if (options.json) printJson(reading);
  else print(renderBreakers([reading]));
}
