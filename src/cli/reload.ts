import type { Command } from 'commander';
import type { ReloadOutcome } from '../supervisor/reloader.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, ExitCode, print, printJson } from './outcome.ts';

export function define(command: Command): void {
  withJson(withConfig(command)).action(reload);
}

async function reload(options: ConfigOptions): Promise<void> {
  const { status, body } = await askGateway(configFiles(options), 'POST', '/reload');
  if (status !== 200 && status !== 422) throw new CommandError(`the gateway answered ${status}`);
  const outcome = body as ReloadOutcome;
  if (!outcome.ok) process.exitCode = ExitCode.wrong;
  if (options.json) printJson(outcome);
  else print(describe(outcome));
}

function describe(outcome: ReloadOutcome): string {
  if (!outcome.ok)
    return `${outcome.error.trimEnd()}\n\nNothing has changed: version ${outcome.version} stays in service.`;
  const warnings = outcome.warnings === '' ? '' : `${outcome.warnings.trimEnd()}\n\n`;
  if (!outcome.changed) return `${warnings}Nothing has changed: version ${outcome.version} is in service.`;
  return `${warnings}Version ${outcome.version} is in service.`;
}
