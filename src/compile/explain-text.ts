import type { Place } from '../base/problem.ts';
import type { Explanation } from './explain.ts';
import type { ExplainedCaller } from './explain-caller.ts';
import { DEPENDS, type ExplainedAnswer, type ExplainedRun } from './explain-run.ts';
import type { ExplainedUpstream } from './explain-target.ts';

/** An explanation for people: one thing a line, each with the place that it comes from. */
export function renderExplanation(explanation: Explanation): string {
  const { method, url, host, client, caller, path, gateway, route, near, run, refused, warnings } = explanation;
  const lines = [`${method} ${url}`, ''];
  const normal = path.normalized === path.received ? 'as received' : `received as ${path.received}`;
  lines.push(row('client', client), row('host', host));
  const isOpen = run?.steps.some(({ outcome }) => outcome === DEPENDS) ?? false;
  if (caller !== 'unknown') lines.push(row('caller', describeCaller(caller)));
  else if (isOpen) lines.push(row('caller', 'unknown: assume one with `--as id=…`, or `--anonymous`'));
  if (path.normalized !== '') lines.push(row('path', `${path.normalized}  (${normal})`));
  if (path.query !== '') lines.push(row('query', path.query));
  lines.push(row('gateway', `${gateway.name}: ${gateway.why}`, gateway.place));
  if (route !== null) {
    lines.push(row('route', route.name, route.place), row('', `because ${route.why}`));
    for (const { name, value } of route.parameters)
      lines.push(row('', `path.${name} = ${value === '' ? '(empty)' : value}`));
    if (route.owner !== null) lines.push(row('owner', route.owner));
    if (route.runbook !== null) lines.push(row('runbook', route.runbook));
    if (route.tags.length > 0) lines.push(row('tags', route.tags.join(', ')));
  } else if (refused === null) {
    lines.push(row('route', 'none'));
  }
  if (near.length > 0) {
    lines.push('', 'Why not');
    for (const { name, why, place } of near) lines.push(row(`  ${name}`, why, place));
  }
  if (refused !== null) lines.push('', refused);
  if (run !== null) lines.push('', ...renderRun(run, isOpen));
  if (warnings.length > 0) {
    lines.push('', 'Warnings');
    for (const { message, place } of warnings) lines.push(`  ${message}${at(place)}`);
  }
  return `${lines.join('\n')}\n`;
}

function renderRun({ steps, target, targetPlace, answer, upstream }: ExplainedRun, isOpen: boolean): string[] {
  const lines = ['In this order'];
  const before = steps.filter(({ stage }) => stage !== 'response' && stage !== 'done');
  const after = steps.filter(({ stage }) => stage === 'response' || stage === 'done');
  for (const { stage, policy, outcome, place, findings } of before) {
    lines.push(row(`  ${stage}`, `${policy}${outcome === null ? '' : `: ${outcome}`}`, place));
    for (const { text, holds, place: at } of findings)
      lines.push(row('', `  ${holds === null ? '' : holds ? 'holds: ' : 'fails: '}${text}`, at));
  }
  lines.push(row('  target', target, targetPlace));
  for (const { stage, policy, place } of after) lines.push(row(`  ${stage}`, policy, place));
  if (answer !== null) lines.push('', ...renderAnswer(answer));
  if (upstream !== null) lines.push('', ...renderUpstream(upstream, isOpen));
  return lines;
}

/** What is assumed about the caller, in the notation of `--as`. */
function describeCaller(caller: Exclude<ExplainedCaller, 'unknown'>): string {
  if (caller === 'anonymous') return 'anonymous';
  const { id, entry, consumer, plan, scopes, roles, groups, claims } = caller;
  const facts: readonly (readonly [string, string | null])[] = [
    ['id', id],
    ['entry', entry],
    ['consumer', consumer],
    ['plan', plan],
    ['scopes', scopes.join(' ')],
    ['roles', roles.join(' ')],
    ['groups', groups.join(' ')],
    ...Object.entries(claims).map(([name, value]) => [`claims.${name}`, JSON.stringify(value)] as const),
  ];
  const given = facts.filter(([, value]) => value !== null && value !== '');
  return given.map(([name, value]) => `${name}=${value}`).join(', ');
}

function renderAnswer({ status, code, headers }: ExplainedAnswer): string[] {
  const lines = [`The gateway answers ${status}${code === null ? '' : ` (${code})`}`];
  for (const [name, value] of headers) lines.push(`  ${name}: ${value}`);
  return lines;
}

function renderUpstream({ names, method, target, host, added, removed }: ExplainedUpstream, isOpen: boolean): string[] {
  const lines = [
    isOpen ? 'The service gets, apart from what depends on who calls' : 'The service gets',
    `  ${method} ${target} HTTP/1.1`,
    `  host: ${host}`,
  ];
  for (const [name, value] of added) lines.push(`  ${name}: ${value}`);
  for (const name of removed) lines.push(`  (without ${name})`);
  for (const { name, weight, endpoints } of names) {
    const share = names.length > 1 ? ` (weight ${weight})` : '';
    lines.push(row(`  at ${name}${share}`, endpoints.join(', ')));
  }
  return lines;
}

const COLUMN = 14;

function row(label: string, text: string, place: Place | null = null): string {
  return `${label.padEnd(COLUMN)} ${text}${at(place)}`.trimEnd();
}

function at(place: Place | null): string {
  if (place === null) return '';
  return place.line > 0 ? `  ${place.file}:${place.line}` : `  ${place.file} ${place.path}`;
}
