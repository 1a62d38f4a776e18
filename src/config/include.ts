import { glob } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { suggest } from '../base/suggest.ts';
import type { KeyPath } from './key-path.ts';
import { type ConfigNode, type MapNode, mapNode } from './node.ts';

/** What the files of teams may bring; everything else belongs to whoever runs the gateway. */
const SECTIONS = ['routes', 'upstreams', 'presets'];

export interface IncludeContext {
  place(node: ConfigNode, path: KeyPath, which?: 'key' | 'value'): Problem['place'];
  report(problem: Problem): void;
}

export interface Match {
  /** As shown in messages, relative to where the including file was named from. */
  file: string;
  path: string;
}

/** The patterns of an `include`: one text or a list of them. */
export function includePatterns(node: ConfigNode, context: IncludeContext): { pattern: string; node: ConfigNode }[] {
  const items = node.kind === 'list' ? node.items : [node];
  const patterns: { pattern: string; node: ConfigNode }[] = [];
  for (const item of items) {
    if (item.kind === 'scalar' && typeof item.value === 'string' && item.value !== '') {
      patterns.push({ pattern: item.value, node: item });
      continue;
    }
    context.report({
      severity: 'error',
      code: 'wrong-type',
      message: '`include` takes file names and patterns',
      remedy: 'Write for instance `include: [teams/*.yaml]`.',
      place: context.place(item, ['include']),
    });
  }
  return patterns;
}

export function isPattern(name: string): boolean {
  return /[*?[{]/.test(name);
}

/** Files that match, in the order of their names, so that nothing depends on the file system's order. */
export async function matchFiles(pattern: string, includingFile: string): Promise<Match[]> {
  const shownFolder = dirname(includingFile);
  const folder = resolve(shownFolder);
  const names = isPattern(pattern) ? await Array.fromAsync(glob(pattern, { cwd: folder })) : [pattern];
  return names.sort().map((name) => ({
    file: isAbsolute(name) || shownFolder === '.' ? name : join(shownFolder, name),
    path: resolve(folder, name),
  }));
}

/** Adds what an included file brings to the file that includes it; two files never silently share a name. */
export function bring(into: MapNode, included: MapNode, context: IncludeContext): MapNode {
  const entries = new Map(into.entries);
  for (const [section, node] of included.entries) {
    if (section === 'gateways') {
      entries.set(section, bringGateways(entries.get(section), node, context));
    } else if (SECTIONS.includes(section)) {
      entries.set(section, bringNames(entries.get(section), node, [section], context));
    } else if (section !== 'version') {
      const near = suggest(section, [...SECTIONS, 'gateways', 'include']);
      const meant = near === null ? '' : `Did you mean \`${near}\`? `;
      context.report({
        severity: 'error',
        code: 'include-key',
        message: `\`${section}\` cannot be set in an included file`,
        remedy: `${meant}Included files bring \`routes\`, \`upstreams\`, \`presets\` and routes of gateways.`,
        place: context.place(node, [section], 'key'),
      });
    }
  }
  return mapNode(into.source, into.at, entries, into.keyAt);
}

function bringGateways(present: ConfigNode | undefined, brought: ConfigNode, context: IncludeContext): ConfigNode {
  if (brought.kind !== 'map' || (present !== undefined && present.kind !== 'map')) return present ?? brought;
  const gateways = new Map(present?.entries ?? []);
  for (const [name, gateway] of brought.entries) {
    const own = gateways.get(name);
    const routes = gateway.kind === 'map' ? gateway.entries.get('routes') : undefined;
    for (const [key, node] of gateway.kind === 'map' ? gateway.entries : []) {
      if (key === 'routes') continue;
      context.report({
        severity: 'error',
        code: 'include-key',
        message: `an included file brings only \`routes\` to a gateway, not \`${key}\``,
        remedy: 'Set it where the gateway is defined.',
        place: context.place(node, ['gateways', name, key], 'key'),
      });
    }
    if (routes === undefined) continue;
    const path = ['gateways', name, 'routes'];
    const held = own?.kind === 'map' ? own.entries.get('routes') : undefined;
    const merged = new Map(own?.kind === 'map' ? own.entries : []);
    merged.set('routes', bringNames(held, routes, path, context));
    const at = own ?? gateway;
    gateways.set(name, mapNode(at.source, at.at, merged, at.keyAt));
  }
  const at = present ?? brought;
  return mapNode(at.source, at.at, gateways, at.keyAt);
}

function bringNames(
  present: ConfigNode | undefined,
  brought: ConfigNode,
  path: KeyPath,
  context: IncludeContext,
): ConfigNode {
  // A section that is no map at all is the schema's to refuse.
  if (present === undefined || present.kind !== 'map' || brought.kind !== 'map') return present ?? brought;
  const entries = new Map(present.entries);
  for (const [name, node] of brought.entries) {
    const first = entries.get(name);
    if (first === undefined) {
      entries.set(name, node);
      continue;
    }
    const place = context.place(node, [...path, name], 'key');
    const other = context.place(first, [...path, name], 'key');
    context.report({
      severity: 'error',
      code: 'include-conflict',
      message: `\`${name}\` in \`${path.join('.')}\` is defined by two files`,
      remedy: 'Rename one of the two, or remove it.',
      place,
      related: other === null ? undefined : [other],
    });
  }
  return mapNode(present.source, present.at, entries, present.keyAt);
}
