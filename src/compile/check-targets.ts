import { existsSync } from 'node:fs';
import type { KeyPath } from '../config/key-path.ts';
import { contentOf, isBodyless } from '../plan/fixed-answer.ts';
import type { Fact } from '../plan/policy.ts';
import { compileTemplate } from '../plan/template.ts';
import type { CheckContext } from './check-context.ts';
import type { UpstreamTable } from './check-upstreams.ts';
import type { EffectiveSettings, Setting } from './inherit.ts';
import { laterTargets } from './later.ts';
import type { RouteObject } from './model/document.ts';
import type { SplitValue } from './model/route.ts';
import type { SplitDocument, TargetDocument } from './plan-document.ts';

const KINDS = ['to', 'redirect', 'respond', 'compose', 'handler'] as const;

export interface CheckedTarget {
  readonly target: TargetDocument;
  /** What it reads of what policies find out. */
  readonly reads: readonly Fact[];
}

const nowhere: CheckedTarget = { target: { kind: 'refused', missing: ['the target'] }, reads: [] };

/** The one target of a route. After an error it is one that answers nothing. */
export function checkTarget(
  route: RouteObject,
  path: KeyPath,
  parameters: readonly string[],
  settings: EffectiveSettings,
  upstreams: UpstreamTable,
  context: CheckContext,
): CheckedTarget {
  const split = route.split === undefined ? undefined : settings.get('split');
  const isSplit = typeof route.to === 'object' && Object.keys(route.to).length > 1;
  if (split !== undefined && !isSplit) {
    const remedy = 'Remove it, or give `to` several upstreams with weights.';
    context.keyWarning('unused-setting', 'there is nothing to split', remedy, [...path, 'split']);
  }
  const given = KINDS.filter((kind) => route[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined) {
    const remedy = 'Add `to`, `redirect`, `respond`, `compose` or `handler`.';
    context.keyError('missing-target', 'this route has no target', remedy, path);
    return nowhere;
  }
  if (given.length > 1) {
    const list = given.map((each) => `\`${each}\``).join(' and ');
    const related = given.slice(0, 1).map((each) => [...path, each]);
    const message = `a route has one target, and this one has ${list}`;
    context.keyError('several-targets', message, 'Keep one of them.', [...path, given[1] as string], related);
    return nowhere;
  }
  const at = [...path, kind];
  if (route.to !== undefined) {
    return upstreamTarget(route.to, at, settings.get('split'), split !== undefined, upstreams, context);
  }
  if (route.redirect !== undefined) return redirectTarget(route.redirect, at, parameters, context);
  if (route.respond !== undefined) return { target: respondTarget(route.respond, at, context), reads: [] };
  if (route.handler !== undefined) return { target: handlerTarget(route.handler, at, context), reads: [] };
  for (const [name, part] of Object.entries(route.compose ?? {})) {
    upstreams.resolve(part.to, [...at, name, 'to']);
  }
  const what = laterTargets.compose?.what ?? 'this target';
  context.keyWarning('not-available-yet', `${what} is not available yet`, 'This route answers 501.', at);
  return { target: { kind: 'refused', missing: [what] }, reads: [] };
}

function upstreamTarget(
  to: string | Record<string, number>,
  path: KeyPath,
  setting: Setting | undefined,
  isOwn: boolean,
  upstreams: UpstreamTable,
  context: CheckContext,
): CheckedTarget {
  if (typeof to === 'string') {
    const upstream = upstreams.resolve(to, path);
    if (upstream < 0) return nowhere;
    return { target: { kind: 'upstream', upstream }, reads: [] };
  }
  const names = Object.keys(to);
  const indices = names.map((name) => upstreams.resolve(name, [...path, name], true));
  const weights = names.map((name) => to[name] ?? 0);
  if (indices.includes(-1)) return nowhere;
  if (weights.every((weight) => weight === 0)) {
    context.error('no-target', 'every target has the weight 0', 'Give one a weight.', path);
    return nowhere;
  }
  const [only = 0] = indices;
  if (indices.length === 1) return { target: { kind: 'upstream', upstream: only }, reads: [] };
  const split = splitOf(setting);
  // Elsewhere it was said for many routes, on some of which nobody has to say who they are.
  const reads: Fact[] = isOwn && (split.by === 'identity' || split.by === 'consumer') ? ['identity'] : [];
  return { target: { kind: 'weighted', upstreams: indices, weights, split }, reads };
}

function splitOf(setting: Setting | undefined): SplitDocument {
  const { by, force } = (setting?.value ?? {}) as Partial<SplitValue>;
  return { by: by ?? null, force: force ?? null };
}

function redirectTarget(
  redirect: NonNullable<RouteObject['redirect']>,
  path: KeyPath,
  parameters: readonly string[],
  context: CheckContext,
): CheckedTarget {
  const short = typeof redirect === 'string';
  const to = short ? redirect : redirect.to;
  const { template, problem } = compileTemplate(to, 'url', parameters);
  if (problem !== null) context.error(problem.code, problem.message, problem.remedy, short ? path : [...path, 'to']);
  const status = short ? 307 : redirect.status;
  const keepQuery = short || redirect.query === 'keep';
  return { target: { kind: 'redirect', to, status, keepQuery }, reads: template?.reads ?? [] };
}

function respondTarget(
  respond: NonNullable<RouteObject['respond']>,
  path: KeyPath,
  context: CheckContext,
): TargetDocument {
  if (respond === 'ready' || respond === 'jwks') return { kind: respond };
  if (typeof respond === 'number') return { kind: 'respond', status: respond, headers: [], body: null };
  const { headers, body } = contentOf(respond);
  if (body !== null && isBodyless(respond.status)) {
    const remedy = 'Remove the body, or use the status 200.';
    context.error('unexpected-body', `a response with the status ${respond.status} has no body`, remedy, path);
  }
  return { kind: 'respond', status: respond.status, headers, body };
}

function handlerTarget(name: string, path: KeyPath, context: CheckContext): TargetDocument {
  return { kind: 'handler', file: handlerFile(name, path, context) };
}

/** Absolute path of a handler, which exists or is reported. */
export function handlerFile(name: string, path: KeyPath, context: CheckContext): string {
  const file = context.codeFile(name, path);
  if (!existsSync(file)) {
    const remedy = 'Paths are relative to the file that names them.';
    context.error('missing-file', `\`${name}\` does not exist`, remedy, path);
  }
  return file;
}
