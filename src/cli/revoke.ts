import { Argument, type Command } from 'commander';
import { revocationKinds } from '../plan/identifier.ts';
import type { RevocationView } from '../supervisor/revocation-record.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { table } from './table.ts';

interface RevokeOptions extends ConfigOptions {
  readonly for?: string;
  readonly reason?: string;
  readonly block?: boolean;
}

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)));
  const revoking = (kind: string, usage: string, summary: string): Command =>
    add(usage, summary)
      .option('--for <duration>', 'how long, e.g. the longest life of a token (default: until undone)')
      .option('--reason <text>', 'shown by `revoke list`')
      .action((id: string, options: RevokeOptions) => revoke(kind, id, options));
  revoking('token', 'token <jti>', 'one token, by its `jti`');
  revoking('subject', 'subject <id>', 'every credential of a caller that was issued until now').option(
    '--block',
    'those too that are issued later',
  );
  revoking('key', 'key <id>', 'one API key, of the configuration too');
  revoking('consumer', 'consumer <name>', 'every credential of a consumer that was issued until now').option(
    '--block',
    'those too that are issued later',
  );
  add('list', 'what is revoked').action(list);
  add('undo', 'let in again')
    .addArgument(new Argument('<kind>').choices(revocationKinds))
    .argument('<id>')
    .action(undo);
}

async function revoke(kind: string, id: string, options: RevokeOptions): Promise<void> {
  const body = { kind, id, for: options.for, reason: options.reason, block: options.block };
  const made = readAnswer<RevocationView>(await askGateway(configFiles(options), 'POST', '/revocations', body), 201);
  if (options.json) printJson(made);
  else
    print(`The ${kind} ${made.id} is revoked ${made.until === null ? 'until that is undone' : `until ${made.until}`}.`);
}

async function list(options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'GET', '/revocations');
  const { revocations } = readAnswer<{ revocations: RevocationView[] }>(answer, 200);
  if (options.json) printJson(revocations);
  else if (revocations.length === 0) print('Nothing is revoked.');
  else print(render(revocations));
}

async function undo(kind: string, id: string, options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'POST', '/revocations/undo', { kind, id });
  const undone = readAnswer<Pick<RevocationView, 'kind' | 'id'>>(answer, 200);
  if (options.json) printJson(undone);
  else print(`The ${kind} ${undone.id} is not revoked any more.`);
}

function render(revocations: readonly RevocationView[]): string {
  return table(
    ['kind', 'id', 'revoked', 'issued before', 'until', 'reason'],
    revocations.map(({ kind, id, revokedAt, issuedBefore, until, reason }) => [
      kind,
      id,
      revokedAt.slice(0, 19),
      issuedBefore?.slice(0, 19) ?? 'any',
      until?.slice(0, 19) ?? '-',
      reason ?? '',
    ]),
  );
}
