import type { Command } from 'commander';
import { AdminClient } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, print, printJson } from './outcome.ts';

export function addDrain(program: Command): void {
  const about = 'stop in an orderly way: fail readiness, wait, close the listeners, finish what is under way';
  withJson(withConfig(program.command('drain').description(about))).action(drain);
}

async function drain(options: ConfigOptions): Promise<void> {
  const client = await AdminClient.of(configFiles(options));
  const { status, body } = await client.call('POST', '/drain');
  if (status !== 202) throw new CommandError(`the gateway answered ${status}`);
  if (options.json) printJson(body);
  else print('Draining: the process ends when its last exchange has, or after `drain.timeout`.');
}
