import { Command, CommanderError } from 'commander';
import { ExitCode, fail } from './outcome.ts';
import { productVersion } from './product.ts';

interface CommandModule {
  /** Options, arguments and action of the command. */
  define(command: Command): void;
}

/** Only the module of the command that is asked for is loaded: `status` has no use for what `start` needs. */
const commands: Readonly<Record<string, { summary: string; load(): Promise<CommandModule> }>> = {
  start: { summary: 'serve requests, in the foreground', load: () => import('./start.ts') },
  check: { summary: 'say everything that is wrong with the configuration', load: () => import('./check.ts') },
  explain: { summary: 'say what would happen to a request, and why', load: () => import('./explain.ts') },
  status: { summary: 'how the running gateway is', load: () => import('./status.ts') },
  reload: { summary: 'read the configuration again; a failure changes nothing', load: () => import('./reload.ts') },
  drain: { summary: 'stop in an orderly way, finishing what is under way', load: () => import('./drain.ts') },
  keys: { summary: 'make, list, rotate, revoke and import API keys', load: () => import('./keys.ts') },
  revoke: { summary: 'withdraw tokens, subjects, keys and consumers', load: () => import('./revoke.ts') },
  usage: { summary: 'what callers used of their quotas; reset it, add to it', load: () => import('./usage.ts') },
  cache: { summary: 'stored responses: list, show, count and purge them', load: () => import('./cache.ts') },
  plans: { summary: 'what callers may use, and who is on which plan', load: () => import('./plans.ts') },
  upstreams: {
    summary: 'endpoints with their health and load; take one out, put it back',
    load: () => import('./upstreams.ts'),
  },
  breaker: { summary: 'circuit breakers: list them, force them open or closed', load: () => import('./breaker.ts') },
  'hash-password': { summary: 'hash a password for `auth: basic`', load: () => import('./hash-password.ts') },
  schema: { summary: 'print the JSON Schema of the configuration, for editors', load: () => import('./schema.ts') },
  init: { summary: 'write a small configuration to start from', load: () => import('./init.ts') },
};

/** The command line: one file a command. Exit 0: fine; 1: the configuration or what was asked for is wrong; 2: usage. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('sluice')
    .description('A self-hosted API gateway: one entry point in front of your services.')
    .version(productVersion())
    .exitOverride()
    .showHelpAfterError('(`sluice --help` lists the commands and their options)');
  // `sluice help check` asks about a command as well.
  const asked = argv[0] === 'help' ? argv[1] : argv[0];
  try {
    for (const [name, { summary, load }] of Object.entries(commands)) {
      const command = program.command(name).description(summary).exitOverride();
      if (name === asked) (await load()).define(command);
    }
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
