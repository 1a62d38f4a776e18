import type { Command } from 'commander';
import type { Status } from '../supervisor/status.ts';
import { AdminClient } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, print, printJson } from './outcome.ts';
import { renderStatus } from './render-status.ts';

export function addStatus(program: Command): void {
  withJson(withConfig(program.command('status').description('how the running gateway is'))).action(status);
}

async function status(options: ConfigOptions): Promise<void> {
  const client = await AdminClient.of(configFiles(options));
  const answer = await client.call('GET', '/status');
  if (answer.status !== 200) throw new CommandError(`the gateway answered ${answer.status}`);
  if (options.json) printJson(answer.body);
  else print(renderStatus(answer.body as Status));
}
