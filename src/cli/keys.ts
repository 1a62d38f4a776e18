import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { AdminAnswer } from '../admin/client.ts';
import { DEFAULT_GRACE, MOST_IMPORTED, type RequestProblem } from '../supervisor/key-requests.ts';
import type { KeyView } from '../supervisor/key-view.ts';
import type { ImportOutcome, NewKey, RotatedKey } from '../supervisor/keys.ts';
import { askGateway } from './admin-client.ts';
import { readKeyFile } from './key-file.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, print, printJson } from './outcome.ts';
import { table } from './table.ts';

interface CreateOptions extends ConfigOptions {
  readonly consumer: string;
  readonly auth?: string;
  readonly plan?: string;
  readonly expires?: string;
  readonly name?: string;
  readonly scopes?: string;
}

interface ListOptions extends ConfigOptions {
  readonly consumer?: string;
  readonly all?: boolean;
}

interface RotateOptions extends ConfigOptions {
  readonly grace?: string;
  readonly expires?: string;
}

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)));
  add('create', 'make a key, and show it this once')
    .requiredOption('--consumer <name>', 'whose it is')
    .option('--auth <entry>', 'entry of `auth` that it is for, if several take stored keys')
    .option('--plan <name>', 'a plan other than the one of the consumer')
    .option('--expires <when>', 'how long it lives (`90d`), or the date on which it ends (`2027-06-30`)')
    .option('--name <text>', 'what it is for')
    .option('--scopes <list>', 'scopes that it carries, separated by commas')
    .action(create);
  add('list', 'all keys, without their secrets')
    .option('--consumer <name>', 'of this consumer only')
    .option('--all', 'those too that were revoked or have expired in the last 30 days')
    .action(list);
  add('rotate <id>', 'make a successor; the key itself stays good for a while')
    .option('--grace <duration>', `for how long (default: ${DEFAULT_GRACE})`)
    .option('--expires <when>', 'of the successor; without it, it lives as long as the key was to live')
    .action(rotate);
  add('revoke <id>', 'end a key at once and for good').action((id: string, options: ConfigOptions) =>
    change(id, 'revoke', options),
  );
  add('disable <id>', 'end a key until it is enabled again').action((id: string, options: ConfigOptions) =>
    change(id, 'disable', options),
  );
  add('enable <id>', 'make a disabled key good again').action((id: string, options: ConfigOptions) =>
    change(id, 'enable', options),
  );
  add(
    'import <file>',
    'take over keys, in clear or as `sha256:` digests, from CSV or JSON lines (`-`: standard input)',
  ).action(importFile);
}

async function create(options: CreateOptions): Promise<void> {
  const { consumer, auth, plan, expires, name, scopes } = options;
  const body = { consumer, auth, plan, expires, name, scopes: scopes?.split(/[ ,]+/).filter((each) => each !== '') };
  const made = read<NewKey>(await askGateway(configFiles(options), 'POST', '/keys', body), 201);
  if (options.json) printJson(made);
  else showNew(made);
}

async function rotate(id: string, options: RotateOptions): Promise<void> {
  const { grace, expires } = options;
  const answer = await askGateway(configFiles(options), 'POST', pathOf(id, 'rotate'), { grace, expires });
  const made = read<RotatedKey>(answer, 201);
  if (options.json) {
    printJson(made);
    return;
  }
  showNew(made);
  note(`Key ${made.replaces.id}, which it replaces, is good until ${made.replaces.expiresAt}.`);
}

async function list(options: ListOptions): Promise<void> {
  const { keys } = read<{ keys: KeyView[] }>(await askGateway(configFiles(options), 'GET', '/keys'), 200);
  const wanted = keys.filter(
    ({ consumer, state }) =>
      (options.consumer === undefined || consumer === options.consumer) &&
      (options.all === true || (state !== 'revoked' && state !== 'expired')),
  );
  if (options.json) printJson(wanted);
  else if (wanted.length === 0) print('There are no keys.');
  else print(render(wanted));
}

async function change(id: string, what: 'revoke' | 'disable' | 'enable', options: ConfigOptions): Promise<void> {
  const key = read<KeyView>(await askGateway(configFiles(options), 'POST', pathOf(id, what)), 200);
  if (options.json) printJson(key);
  else print(`Key ${key.id} of ${key.consumer} is ${key.state}.`);
}

async function importFile(file: string, options: ConfigOptions): Promise<void> {
  const { rows, problems } = readKeyFile(readText(file));
  if (problems.length > 0) throw new CommandError(`nothing was imported:\n${listed(file, problems)}`);
  const total = { imported: 0, skipped: 0 };
  for (let from = 0; from < rows.length; from += MOST_IMPORTED) {
    const keys = rows.slice(from, from + MOST_IMPORTED);
    const answer = await askGateway(configFiles(options), 'POST', '/keys/import', { keys });
    const { imported, skipped } = read<ImportOutcome>(answer, 200, file, total.imported);
    total.imported += imported;
    total.skipped += skipped;
  }
  if (options.json) printJson(total);
  else print(`Imported: ${total.imported}${total.skipped > 0 ? `; there already: ${total.skipped}` : ''}.`);
}

/** The key alone on standard output, so that a script can take it from there. */
function showNew(made: NewKey): void {
  const end = made.expiresAt === null ? 'without an end' : `until ${made.expiresAt}`;
  note(`Key ${made.id} of ${made.consumer} for ${made.auth}, good ${end}. It is shown this once:`);
  print(made.key);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function render(keys: readonly KeyView[]): string {
  return table(
    ['id', 'state', 'consumer', 'auth', 'plan', 'created', 'expires', 'scopes', 'name'],
    keys.map(({ id, state, consumer, auth, plan, createdAt, expiresAt, scopes, name }) => [
      id,
      state,
      consumer,
      auth,
      plan ?? '-',
      createdAt.slice(0, 10),
      expiresAt?.slice(0, 16) ?? '-',
      scopes.join(' ') || '-',
      name ?? '',
    ]),
  );
}

function pathOf(id: string, what: string): string {
  return `/keys/${encodeURIComponent(id)}/${what}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

interface Refusal {
  readonly title?: string;
  readonly problems?: readonly RequestProblem[];
}

function read<T>({ status, body }: AdminAnswer, expected: number, file = '', before = 0): T {
  if (status === expected) return body as T;
  const { title = `the gateway answered ${status}`, problems = [] } = body as Refusal;
  const lines = problems.length === 0 ? '' : `:\n${listed(file, problems)}`;
  const done = before === 0 ? '' : `\n${before} keys before these were imported; they are skipped the next time.`;
  throw new CommandError(title + lines + done);
}

function listed(file: string, problems: readonly RequestProblem[]): string {
  return problems.map(({ line, message }) => `  ${file}${line === null ? '' : `:${line}`}: ${message}`).join('\n');
}
