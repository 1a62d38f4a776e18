import { parse as parseYaml } from 'yaml';
import { valueAt } from '../config/document-edits.ts';
import { explain, UNWORDED } from '../config/explain.ts';
import { formatPath } from '../config/key-path.ts';
import { leaves } from '../config/schema-walk.ts';
import type { Endpoint } from '../plan/upstream.ts';
import { targetSchema } from './model/upstream.ts';
import { endpointOf } from './target-endpoint.ts';

/** Lists of targets that are not part of the configuration: from a file, from an HTTP endpoint. */

/** More than one upstream can use; a list that is longer is somebody's mistake. */
const MAX_TARGETS = 1_000;
const MAX_PROBLEMS = 5;
const MAX_SHOWN = 60;

export type ReadList =
  | {
      readonly ok: true;
      readonly endpoints: readonly Endpoint[];
      /** Of entries that were left out, in words. */
      readonly problems: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

/** YAML includes JSON; but an answer that claims to be JSON should be. */
export function parseTargetList(text: string, syntax: 'yaml' | 'json'): ReadList {
  let value: unknown;
  try {
    value =
      syntax === 'json' ? JSON.parse(text) : parseYaml(text, { version: '1.2', schema: 'core', logLevel: 'error' });
  } catch (error) {
    return { ok: false, reason: (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string };
  }
  return readTargetList(value);
}

/** A list, or a map with one under `targets`; its entries are written as in the configuration. */
function readTargetList(value: unknown): ReadList {
  const list = isMap(value) ? value.targets : value;
  if (!Array.isArray(list)) return { ok: false, reason: 'it holds no list' };
  const endpoints = new Map<string, Endpoint>();
  const problems: string[] = [];
  for (const [index, entry] of list.slice(0, MAX_TARGETS).entries()) {
    const read = readEntry(entry);
    if (typeof read === 'string') problems.push(`entry ${index + 1}: ${read}`);
    else if (endpoints.has(read.url)) problems.push(`entry ${index + 1}: \`${read.url}\` is listed twice`);
    else endpoints.set(read.url, read);
  }
  if (list.length > MAX_TARGETS) problems.push(`${list.length - MAX_TARGETS} entries behind the first ${MAX_TARGETS}`);
  // A list of which nothing can be used is a mistake, and not the news that nothing is there any more.
  if (endpoints.size === 0 && problems.length > 0) return { ok: false, reason: problems[0] as string };
  return { ok: true, endpoints: [...endpoints.values()], problems: bounded(problems) };
}

function readEntry(entry: unknown): Endpoint | string {
  const result = targetSchema.safeParse(entry, { error: () => UNWORDED });
  if (result.success) return endpointOf(result.data);
  const [finding] = explain(result.error.issues, leaves(targetSchema), [], {
    valueAt: (path) => valueAt(entry, path),
    show: (path) => `\`${JSON.stringify(valueAt(entry, path))?.slice(0, MAX_SHOWN)}\``,
  });
  if (finding === undefined) return 'this is no target';
  return finding.path.length === 0 ? finding.message : `${formatPath(finding.path)}: ${finding.message}`;
}

function bounded(problems: readonly string[]): string[] {
  const left = problems.length - MAX_PROBLEMS;
  return left <= 0 ? [...problems] : [...problems.slice(0, MAX_PROBLEMS), `and ${left} more`];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
