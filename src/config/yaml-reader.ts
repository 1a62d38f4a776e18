import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import type { Problem } from '../base/problem.ts';
import type { Lines } from './lines.ts';
import { type ConfigNode, listNode, MAX_VALUES, mapNode, scalarNode } from './node.ts';
import { readPlainYaml } from './plain-yaml.ts';
import { echoes, explainSyntax } from './yaml-syntax.ts';

export interface ReadResult {
  /** Null when the text cannot be read at all. */
  root: ConfigNode | null;
  problems: Problem[];
}

/** Syntax errors after the first few are mostly echoes of those. */
const MAX_SYNTAX_PROBLEMS = 3;

/** YAML 1.2 or JSON text into nodes that know their offsets. */
export function readYaml(text: string, file: string, source: number, lines: Lines): ReadResult {
  const plain = readPlainYaml(text, source);
  return plain === null ? readAnyYaml(text, file, source, lines) : { root: plain, problems: [] };
}

/** The whole language, and every error in it. */
export function readAnyYaml(text: string, file: string, source: number, lines: Lines): ReadResult {
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // The library compares every key with every other; `Reader.map` does it with a hash table.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
  });
  const reader = new Reader(file, source, lines);
  const trouble = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  for (const { code, message, pos } of trouble) {
    if (reader.problems.length === MAX_SYNTAX_PROBLEMS) break;
    if (reader.problems.length > 0 && echoes.has(code)) continue;
    const said = explainSyntax(code, message, text, pos[0]);
    reader.fail('yaml-syntax', said.message, said.remedy, said.at);
  }
  if (trouble.length > 0) return { root: null, problems: reader.problems };
  const root = reader.read(document.contents, 0);
  return { root: reader.refused ? null : root, problems: reader.problems };
}

class Reader {
  readonly problems: Problem[] = [];
  /** Something is wrong that leaves no document to check. */
  refused = false;
  private readonly anchors = new Map<string, ConfigNode | 'open'>();
  private readonly path: (string | number)[] = [];
  private readonly file: string;
  private readonly source: number;
  private readonly lines: Lines;

  constructor(file: string, source: number, lines: Lines) {
    this.file = file;
    this.source = source;
    this.lines = lines;
  }

  fail(code: string, message: string, remedy: string, offset: number, relatedOffset?: number): void {
    this.problems.push({
      severity: 'error',
      code,
      message,
      remedy,
      place: this.lines.place(this.file, offset, this.path),
      related: relatedOffset === undefined ? undefined : [this.lines.place(this.file, relatedOffset, this.path)],
    });
  }

  read(node: ParsedNode | null | undefined, fallbackAt: number, keyAt = -1): ConfigNode {
    if (isAlias(node)) return this.alias(node.source, node.range[0], keyAt);
    if (node === null || node === undefined) return scalarNode(this.source, fallbackAt, null, keyAt);
    const anchor = node.anchor;
    if (anchor !== undefined) this.anchors.set(anchor, 'open');
    const built = this.build(node, fallbackAt, keyAt);
    if (anchor !== undefined) this.anchors.set(anchor, built);
    if (built.size > MAX_VALUES && !this.refused) {
      this.refused = true;
      const message = `this grows to more than ${MAX_VALUES.toLocaleString('en')} values through its aliases`;
      this.fail('too-large', message, 'Use fewer aliases inside anchors.', built.at);
    }
    return built;
  }

  private build(node: Exclude<ParsedNode, Alias.Parsed>, fallbackAt: number, keyAt: number): ConfigNode {
    const [start, end] = node.range;
    if (isMap(node)) return this.map(node as YAMLMap.Parsed, start, keyAt);
    if (isSeq(node)) {
      const items: ConfigNode[] = [];
      for (const [index, item] of node.items.entries()) {
        this.path.push(index);
        items.push(this.read(item as ParsedNode, start));
        this.path.pop();
      }
      return listNode(this.source, start, items, keyAt);
    }
    const value: unknown = isScalar(node) ? node.value : null;
    const at = value === null && start === end ? fallbackAt : start;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      const message = 'this number is not finite';
      this.fail('wrong-value', message, 'Write a plain number, or put quotes around it to make it text.', at);
    }
    const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
    return scalarNode(this.source, at, scalar, keyAt);
  }

  private map(node: YAMLMap.Parsed, start: number, keyAt: number): ConfigNode {
    const entries = new Map<string, ConfigNode>();
    const merged: ConfigNode[] = [];
    for (const pair of node.items) {
      const at = pair.key.range[0];
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      this.path.push(key);
      if (isMergeKey(pair)) merged.push(...this.merged(pair, at));
      else this.entry(entries, key, this.read(pair.value, at, at), at);
      this.path.pop();
    }
    for (const source of merged) {
      if (source.kind !== 'map') continue;
      for (const [key, value] of source.entries) if (!entries.has(key)) entries.set(key, value);
    }
    return mapNode(this.source, start, entries, keyAt);
  }

  private entry(entries: Map<string, ConfigNode>, key: string, value: ConfigNode, at: number): void {
    const first = entries.get(key);
    if (key === '__proto__') {
      this.fail('unknown-key', 'the key `__proto__` is not allowed', 'Remove it or choose another name.', at);
    } else if (first !== undefined) {
      this.fail('duplicate-key', `the key \`${key}\` is here twice`, 'Remove one of the two.', at, first.keyAt);
    } else {
      entries.set(key, value);
    }
  }

  private merged(pair: Pair<ParsedNode, ParsedNode | null>, at: number): ConfigNode[] {
    const value = this.read(pair.value, at);
    const maps = value.kind === 'list' ? value.items : [value];
    if (maps.every((item) => item.kind === 'map')) return maps;
    this.fail('wrong-type', '`<<` merges maps, and this is not one', 'Name an anchor of a map: `<<: *name`.', value.at);
    return [];
  }

  private alias(name: string, at: number, keyAt: number): ConfigNode {
    const target = this.anchors.get(name);
    if (target !== undefined && target !== 'open') return { ...target, keyAt };
    const message =
      target === 'open' ? `the anchor \`&${name}\` contains itself` : `there is no anchor \`&${name}\` above`;
    this.refused = true;
    this.fail('yaml-alias', message, `Define \`&${name}\` above its use.`, at);
    return scalarNode(this.source, at, null, keyAt);
  }
}

/** Only the plain `<<`: in quotes it is a key like any other. */
function isMergeKey(pair: Pair<ParsedNode, ParsedNode | null>): boolean {
  return isScalar(pair.key) && pair.key.value === '<<' && pair.key.type === 'PLAIN';
}
