import type { Command } from 'commander';
import type { ResponseDetails, ResponseView } from '../supervisor/response-views.ts';
import type { PurgeOutcome, ResponseStats } from '../supervisor/responses.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, collect, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, ExitCode, print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { table } from './table.ts';

interface ListOptions extends ConfigOptions {
  readonly url?: string;
  readonly tag?: string;
  readonly limit?: string;
}

interface PurgeOptions extends ConfigOptions {
  readonly prefix?: string;
  readonly tag?: string[];
  readonly id?: string;
  readonly all?: boolean;
  readonly soft?: boolean;
}

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)));
  add('list', 'what is stored')
    .option('--url <url>', 'only of URLs that begin so')
    .option('--tag <tag>', 'only with this tag')
    .option('--limit <count>', 'no more than so many (default: 100)')
    .action(list);
  add('show', 'all about the responses of a URL, or about one of them')
    .argument('<url-or-id>', 'a URL, or an id as `cache list` shows it')
    .action(show);
  add('stats', 'how full it is, and what becomes of it').action(stats);
  add('purge', 'remove responses, at once for all workers and within a second on all machines that share a store')
    .argument('[url]', 'of this URL, with all its variants')
    .option('--prefix <url>', 'of all URLs that begin so')
    .option('--tag <tag>', 'with this tag; repeat for several', collect)
    .option('--id <id>', 'of the URL of this one, as `cache list` shows it')
    .option('--all', 'everything')
    .option(
      '--soft',
      'only mark them stale: they are validated before they are used, and there while the service is not',
    )
    .action(purge);
}

async function list(options: ListOptions): Promise<void> {
  const given = { url: options.url, tag: options.tag, limit: options.limit };
  const query = new URLSearchParams(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const answer = await askGateway(configFiles(options), 'GET', `/cache?${query}`);
  const { responses, stats: counted } = readAnswer<{ responses: ResponseView[]; stats: ResponseStats }>(answer, 200);
  if (options.json) printJson(responses);
  else if (responses.length === 0) print('Nothing of that is stored.');
  else print(`${renderList(responses)}\n\n${shownOf(responses.length, counted.entries)}`);
}

/** An address with variants has an entry of its own, which says by what they differ. */
function shownOf(shown: number, entries: number): string {
  return `${shown} shown; the memory has ${entries} entries, one more for each address with variants.`;
}

async function show(what: string, options: ConfigOptions): Promise<void> {
  const answer = await askGateway(configFiles(options), 'GET', `/cache/entry?of=${encodeURIComponent(what)}`);
  const { responses } = readAnswer<{ responses: ResponseDetails[] }>(answer, 200);
  if (options.json) printJson(responses);
  else print(responses.map(renderDetails).join('\n\n'));
}

async function stats(options: ConfigOptions): Promise<void> {
  const counted = readAnswer<ResponseStats>(await askGateway(configFiles(options), 'GET', '/cache/stats'), 200);
  if (options.json) printJson(counted);
  else print(renderStats(counted));
}

async function purge(url: string | undefined, options: PurgeOptions): Promise<void> {
  const { prefix, tag: tags, id, all, soft } = options;
  const chosen = [url, prefix, tags, id, all].filter((each) => each !== undefined);
  if (chosen.length !== 1) {
    throw new CommandError('say what to purge: a URL, --prefix, --tag, --id or --all, one of them', ExitCode.usage);
  }
  const body = { url, prefix, tags, id, all, soft };
  const outcome = readAnswer<PurgeOutcome>(await askGateway(configFiles(options), 'POST', '/cache/purge', body), 200);
  if (options.json) printJson(outcome);
  else print(renderOutcome(outcome, soft === true));
}

function renderList(responses: readonly ResponseView[]): string {
  return table(
    ['id', 'url', 'status', 'size', 'age', 'ttl', 'state', 'tags', 'variant'],
    responses.map((response) => [
      response.id,
      response.url,
      String(response.status),
      String(response.size),
      `${response.ageSeconds}s`,
      `${response.ttlSeconds}s`,
      response.state,
      response.tags.join(' '),
      response.variant.replaceAll('\n', '; '),
    ]),
  );
}

function renderDetails(response: ResponseDetails): string {
  const { url, gateway, id, status, size, state, storedAt, ageSeconds, ttlSeconds, tags, variant, headers } = response;
  const rows: (readonly [string, string])[] = [
    ['id', id],
    ['gateway', gateway],
    ['status', `${status}, ${size} bytes`],
    [
      'state',
      `${state}: ${ageSeconds} s old, ${ttlSeconds >= 0 ? `${ttlSeconds} s left` : `stale for ${-ttlSeconds} s`}`,
    ],
    [
      'stale',
      `${response.staleWhileRevalidateSeconds} s while refreshed, ${response.staleIfErrorSeconds} s on failure`,
    ],
    ['stored', storedAt],
    ...(tags.length === 0 ? [] : [['tags', tags.join(' ')] as const]),
    ...(variant === '' ? [] : [['variant', variant.replaceAll('\n', '; ')] as const]),
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(8)} ${printable(value)}`);
  const fields = headers.map(([name, value]) => `    ${name}: ${printable(value)}`);
  return [printable(url), ...lines, '  head', ...fields].join('\n');
}

function renderStats(counted: ResponseStats): string {
  const { bytes, capacity, entries, hits, misses, evictions, rejected, purged, flights, followers, shared } = counted;
  const looked = hits + misses;
  const share = looked === 0 ? '' : ` (${((hits / looked) * 100).toFixed(1)} %)`;
  const lines = [
    `memory     ${mebibytes(bytes)} of ${mebibytes(capacity)} MiB in ${entries} entries`,
    `look-ups   ${looked}, found ${hits}${share}`,
    `fetches    ${flights} under way; ${followers} requests waited for another one's`,
    `removed    ${evictions} for want of room, ${purged} purged; ${rejected} were not taken`,
  ];
  if (counted.broken > 0) lines.push(`broken     ${counted.broken}`);
  if (shared !== null) {
    const since = new Date(shared.since).toISOString();
    lines.push(
      `machines   ${shared.failure === null ? 'purges are shared' : `out of reach since ${since}: ${shared.failure}`}`,
    );
  }
  return lines.join('\n');
}

function renderOutcome({ purged, told }: PurgeOutcome, isSoft: boolean): string {
  const what = `${purged} ${purged === 1 ? 'entry' : 'entries'} ${isSoft ? 'marked stale' : 'removed'}`;
  if (told === null) return `${what}.`;
  return told ? `${what}; other machines are told.` : `${what}; other machines are told when the store is back.`;
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

/** Services and clients have written it: nothing in it gets to command the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\uFFFD');
}
