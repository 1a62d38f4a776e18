import type { Command } from 'commander';
import type { Status } from '../supervisor/status.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, print, printJson } from './outcome.ts';
import { renderStatus } from './render-status.ts';

export function define(command: Command): void {
  withJson(withConfig(command)).action(status);
}

async function status(options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'GET', '/status');
  if (answer.status !== 200) throw new CommandError(`the gateway answered ${answer.status}`);
  if (options.json) printJson(answer.body);
  else print(renderStatus(answer.body as Status));
}
