import type { Place } from '../base/problem.ts';
import type { Explanation } from './explain.ts';
import type { ExplainedAnswer, ExplainedRun, ExplainedUpstream } from './explain-run.ts';

/** An explanation for people: one thing a line, each with the place that it comes from. */
export function renderExplanation(explanation: Explanation): string {
  const { method, url, host, client, path, gateway, route, near, run, refused, warnings } = explanation;
  const lines = [`${method} ${url}`, ''];
  const normal = path.normalized === path.received ? 'as received' : `received as ${path.received}`;
  lines.push(row('client', client), row('host', host));
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
  if (run !== null) lines.push('', ...renderRun(run));
  if (warnings.length > 0) {
    lines.push('', 'Warnings');
    for (const { message, place } of warnings) lines.push(`  ${message}${at(place)}`);
  }
  return `${lines.join('\n')}\n`;
}

function renderRun({ steps, target, targetPlace, answer, upstream }: ExplainedRun): string[] {
  const lines = ['In this order'];
  const before = steps.filter(({ stage }) => stage !== 'response' && stage !== 'done');
  const after = steps.filter(({ stage }) => stage === 'response' || stage === 'done');
  for (const { stage, policy, outcome, place } of before) {
    lines.push(row(`  ${stage}`, `${policy}${outcome === null ? '' : `: ${outcome}`}`, place));
  }
  lines.push(row('  target', target, targetPlace));
  for (const { stage, policy, place } of after) lines.push(row(`  ${stage}`, policy, place));
  if (answer !== null) lines.push('', ...renderAnswer(answer));
  if (upstream !== null) lines.push('', ...renderUpstream(upstream));
  return lines;
}

function renderAnswer({ status, code, headers }: ExplainedAnswer): string[] {
  const lines = [`The gateway answers ${status}${code === null ? '' : ` (${code})`}`];
  for (const [name, value] of headers) lines.push(`  ${name}: ${value}`);
  return lines;
}

function renderUpstream({ names, method, target, host, added, removed }: ExplainedUpstream): string[] {
  const lines = ['The service gets', `  ${method} ${target} HTTP/1.1`, `  host: ${host}`];
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
