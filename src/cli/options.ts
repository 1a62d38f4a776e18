import type { Command } from 'commander';

const DEFAULT_FILE = 'sluice.yaml';

export interface ConfigOptions {
  readonly config?: string[];
  readonly json?: boolean;
}

/** `-c FILE`, repeatable: later files overlay earlier ones. */
export function withConfig(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    `configuration file; repeat to overlay (default: ${DEFAULT_FILE})`,
    collect,
  );
}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON for machines');
}

export function configFiles(options: ConfigOptions): string[] {
  return options.config ?? [DEFAULT_FILE];
}

/** Commander calls it for each occurrence with what there is so far. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
