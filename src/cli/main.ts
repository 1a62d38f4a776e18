import { Command, CommanderError } from 'commander';
import { addCheck } from './check.ts';
import { addDrain } from './drain.ts';
import { addExplain } from './explain.ts';
import { addInit } from './init.ts';
import { ExitCode, fail } from './outcome.ts';
import { productVersion } from './product.ts';
import { addReload } from './reload.ts';
import { addSchema } from './schema.ts';
import { addStart } from './start.ts';
import { addStatus } from './status.ts';

/** The command line: one file a command. Exit 0: fine; 1: the configuration or what was asked for is wrong; 2: usage. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('sluice')
    .description('A self-hosted API gateway: one entry point in front of your services.')
    .version(productVersion())
    .exitOverride()
    .showHelpAfterError('(`sluice --help` lists the commands and their options)')
    .configureHelp({ showGlobalOptions: true });
  for (const add of [addStart, addCheck, addExplain, addStatus, addReload, addDrain, addSchema, addInit]) add(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are "errors" of code 0 to the library, which has printed everything already.
      process.exitCode = error.exitCode === 0 ? ExitCode.fine : ExitCode.usage;
      return;
    }
    fail(error);
  }
}
