import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { suggest } from '../base/suggest.ts';
import { readData } from './data-reader.ts';
import type { LoadedConfig, LoadOptions } from './document.ts';
import { evaluateConfig } from './evaluate.ts';
import { flatten } from './flatten.ts';
import { bring, type IncludeContext, includePatterns, isPattern, matchFiles } from './include.ts';
import type { KeyPath } from './key-path.ts';
import { Lines } from './lines.ts';
import { type ConfigNode, type MapNode, mapNode, overlay, type ScalarNode } from './node.ts';
import { Origins } from './origins.ts';
import { ReferenceResolver, reasonFor } from './references.ts';
import { readYaml } from './yaml-reader.ts';

const EVALUATED = new Set(['.ts', '.mts', '.js', '.mjs']);
const EVALUATION_TIMEOUT = 10_000;
const MAX_CONFIG_BYTES = 64 * 1024 * 1024;

/** Reads configuration files, later over earlier, with all that they include and refer to. It never throws. */
export async function loadConfig(files: string[], options: LoadOptions): Promise<LoadedConfig> {
  return new Loader(options).load(files);
}

class Loader {
  private readonly options: LoadOptions;
  private readonly problems: Problem[] = [];
  private readonly sources = new Map<string, string>();
  private readonly lines = new Lines(this.sources);
  private readonly files: string[] = [];
  private readonly watched = new Set<string>();
  private readonly patterns = new Set<string>();
  private readonly resolver: ReferenceResolver;
  private readonly context: IncludeContext;
  /** Gateways that included files add routes to, and those that the files given by name define. */
  private readonly extended: { name: string; node: ConfigNode }[] = [];
  private readonly defined = new Set<string>();
  /** Scalars that lost an escape: aliases bring them by here again, and they must not be read twice. */
  private readonly settled = new Set<ScalarNode>();
  private complete = true;

  constructor(options: LoadOptions) {
    this.options = options;
    this.resolver = new ReferenceResolver(options.env);
    this.context = {
      place: (node, path, which = 'value') => this.placeOf(node, path, which),
      report: (problem) => this.problems.push(problem),
    };
  }

  async load(files: string[]): Promise<LoadedConfig> {
    let merged: ConfigNode | null = null;
    for (const file of files) {
      const layer = await this.layer(file);
      if (layer !== null) merged = merged === null ? layer : overlay(merged, layer);
    }
    this.checkExtended();
    const root = merged ?? mapNode(0, -1);
    this.resolveReferences(root, []);
    const { value, table } = flatten(root, this.files);
    for (const path of this.resolver.files) this.watched.add(path);
    return {
      value,
      origins: new Origins(table, value, this.sources),
      problems: [...this.problems, ...this.resolver.problems],
      complete: this.complete,
      watched: [...this.watched],
      watchedPatterns: [...this.patterns],
      sources: this.sources,
      allowSecretDefaults: this.options.allowSecretDefaults ?? false,
    };
  }

  /** One file given by name, with everything it includes. */
  private async layer(file: string): Promise<MapNode | null> {
    const root = await this.read(file, resolve(file));
    const gateways = root?.entries.get('gateways');
    if (gateways?.kind === 'map') for (const name of gateways.entries.keys()) this.defined.add(name);
    return root === null ? null : this.expand(root, file, [await trueName(file)], new Set());
  }

  private async expand(root: MapNode, file: string, open: string[], seen: Set<string>): Promise<MapNode> {
    const include = root.entries.get('include');
    if (include === undefined) return root;
    this.resolveReferences(include, ['include']);
    const entries = new Map(root.entries);
    entries.delete('include');
    let result = mapNode(root.source, root.at, entries, root.keyAt);
    for (const { pattern, node } of includePatterns(include, this.context)) {
      const matches = await matchFiles(pattern, file);
      if (isPattern(pattern)) this.patterns.add(resolve(dirname(file), pattern));
      if (matches.length === 0) {
        const message = `\`${pattern}\` matches no file`;
        this.report('warning', 'include-empty', message, 'Check the pattern; it is relative to this file.', node, [
          'include',
        ]);
      }
      for (const match of matches) {
        const name = await trueName(match.path);
        if (open.includes(name)) {
          const message = `\`${match.file}\` includes itself${open.length > 1 ? ' through other files' : ''}`;
          this.report('error', 'include-cycle', message, 'Remove one of the includes.', node, ['include']);
          continue;
        }
        // Two ways to one file bring it once.
        if (seen.has(name)) continue;
        seen.add(name);
        const read = await this.read(match.file, match.path, node);
        if (read === null) continue;
        this.noteExtended(read);
        const included = await this.expand(read, match.file, [...open, name], seen);
        result = bring(result, included, this.context);
      }
    }
    return result;
  }

  /** The map at the top of one file, without what only people and editors read: `x-*`, `$schema`. Null when there is none. */
  private async read(file: string, path: string, includedBy?: ConfigNode): Promise<MapNode | null> {
    this.watched.add(path);
    const source = this.files.push(file) - 1;
    const place =
      includedBy === undefined ? this.lines.place(file, -1) : this.placeOf(includedBy, ['include'], 'value');
    let text: string;
    try {
      if ((await stat(path)).size > MAX_CONFIG_BYTES) throw Object.assign(new Error(), { code: 'EFBIG' });
      text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
    } catch (error) {
      const remedy =
        includedBy === undefined ? `Create it, or name another with \`-c\`.` : 'Paths are relative to this file.';
      this.fatal({
        severity: 'error',
        code: 'missing-file',
        message: `\`${file}\` ${reasonFor(error)}`,
        remedy,
        place,
      });
      return null;
    }
    this.sources.set(file, text);
    const root = EVALUATED.has(extname(path))
      ? await this.evaluate(file, path, source)
      : this.parse(text, file, source);
    if (root === null) return null;
    if (root.kind === 'scalar' && root.value === null) return mapNode(source, root.at);
    if (root.kind !== 'map') {
      const message = `a configuration is a map, and this is ${root.kind === 'list' ? 'a list' : 'text'}`;
      const remedy = 'Start with keys such as `routes:`, a space after each colon.';
      this.fatal({ severity: 'error', code: 'wrong-type', message, remedy, place: this.placeOf(root, [], 'value') });
      return null;
    }
    const kept = [...root.entries].filter(([key]) => !key.startsWith('x-') && key !== '$schema');
    return kept.length === root.entries.size ? root : mapNode(source, root.at, new Map(kept));
  }

  private parse(text: string, file: string, source: number): ConfigNode | null {
    const { root, problems } = readYaml(text, file, source, this.lines);
    this.problems.push(...problems);
    if (root === null) this.complete = false;
    return root;
  }

  private async evaluate(file: string, path: string, source: number): Promise<ConfigNode | null> {
    const timeout = this.options.evaluationTimeout ?? EVALUATION_TIMEOUT;
    const { value, problems, imported } = await evaluateConfig(path, file, this.options.env, timeout);
    this.problems.push(...problems);
    for (const each of imported) this.watched.add(each);
    if (value === undefined) this.complete = false;
    return value === undefined ? null : readData(value, source);
  }

  private resolveReferences(node: ConfigNode, path: (string | number)[]): void {
    if (node.kind === 'scalar') {
      if (typeof node.value !== 'string' || !node.value.includes('${')) return;
      if (node.reference !== null || this.settled.has(node)) return;
      const file = this.files[node.source] ?? '';
      const resolved = this.resolver.resolve(node.value, file, () => this.placeOf(node, path, 'value'));
      if (resolved === null) return;
      node.value = resolved.value;
      node.reference = resolved.reference;
      if (resolved.reference === null) this.settled.add(node);
      return;
    }
    if (node.kind === 'list') {
      for (const [index, item] of node.items.entries()) this.resolveBelow(item, path, index);
      return;
    }
    for (const [key, child] of node.entries) {
      if (key.includes('${') && /\$\{(env|file):/.test(key)) {
        const message = 'references are resolved in values, not in keys';
        this.report('error', 'reference-in-key', message, 'Write the key out.', child, [...path, key], 'key');
      }
      this.resolveBelow(child, path, key);
    }
  }

  private resolveBelow(node: ConfigNode, path: (string | number)[], key: string | number): void {
    path.push(key);
    this.resolveReferences(node, path);
    path.pop();
  }

  private noteExtended(included: MapNode): void {
    const gateways = included.entries.get('gateways');
    if (gateways?.kind !== 'map') return;
    for (const [name, node] of gateways.entries) this.extended.push({ name, node });
  }

  private checkExtended(): void {
    for (const { name, node } of this.extended) {
      if (this.defined.has(name)) continue;
      const near = suggest(name, this.defined);
      const remedy = near === null ? 'Define it in the file that includes this one.' : `Did you mean \`${near}\`?`;
      const message = `there is no gateway \`${name}\` to add routes to`;
      this.report('error', 'unknown-gateway', message, remedy, node, ['gateways', name], 'key');
    }
  }

  private placeOf(node: ConfigNode, path: KeyPath, which: 'key' | 'value'): Problem['place'] {
    const offset = which === 'key' && node.keyAt >= 0 ? node.keyAt : node.at;
    return this.lines.place(this.files[node.source] ?? '', offset, path);
  }

  private report(
    severity: Problem['severity'],
    code: string,
    message: string,
    remedy: string,
    node: ConfigNode,
    path: KeyPath,
    which: 'key' | 'value' = 'value',
  ): void {
    this.problems.push({ severity, code, message, remedy, place: this.placeOf(node, path, which) });
  }

  private fatal(problem: Problem): void {
    this.complete = false;
    this.problems.push(problem);
  }
}

/** One name for a file, however it is reached; a missing file keeps the name it was asked by. */
async function trueName(path: string): Promise<string> {
  return realpath(path).catch(() => join(resolve(path)));
}
