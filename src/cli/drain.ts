import type { Command } from 'commander';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, print, printJson } from './outcome.ts';

export function define(command: Command): void {
  withJson(withConfig(command)).action(drain);
}

async function drain(options: ConfigOptions): Promise<void> {
  const { status, body } = await askGateway(configFiles(options), 'POST', '/drain');
  if (status !== 202) throw new CommandError(`the gateway answered ${status}`);
  if (options.json) printJson(body);
  else print('Draining: the process ends when its last exchange has, or after `drain.timeout`.');
}
