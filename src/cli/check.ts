import type { Command } from 'commander';
import { checkConfig } from '../compile/check.ts';
import { documentSchema } from '../compile/model/document.ts';
import { loadConfig } from '../config/load.ts';
import { printConfig } from '../config/print.ts';
import { countProblems, renderProblems, renderProblemsJson } from '../config/render.ts';
import { registry } from '../policies/registry.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { ExitCode, print, wantsColor } from './outcome.ts';

interface CheckOptions extends ConfigOptions {
  readonly print?: boolean;
}

export function define(command: Command): void {
  withJson(withConfig(command))
    .option('--print', 'print the effective configuration with the origin of every value')
    .action(check);
}

async function check(options: CheckOptions): Promise<void> {
  const files = configFiles(options);
  const loaded = await loadConfig(files, { env: process.env });
  const { problems, document, userPolicies, sources } = await checkConfig(loaded, { registry });
  if (document === null) process.exitCode = ExitCode.wrong;
  if (options.json) {
    print(renderProblemsJson(problems));
    return;
  }
  if (options.print && loaded.complete) print(printConfig(loaded, documentSchema(registry, userPolicies)));
  // Beside a printed configuration, which may be on its way to a file, problems are for the person who reads along.
  const stream = options.print ? process.stderr : process.stdout;
  if (problems.length > 0) stream.write(`${renderProblems(problems, sources, { color: wantsColor(stream) })}\n`);
  stream.write(`${files.join(', ')}: ${countProblems(problems)}\n`);
}
