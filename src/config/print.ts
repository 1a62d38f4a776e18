import { Document, isMap, isScalar, isSeq, Scalar } from 'yaml';
import type { z } from 'zod';
import type { LoadedConfig } from './document.ts';
import { valueAt } from './document-edits.ts';
import type { KeyPath } from './key-path.ts';
import { escapeReferences } from './references.ts';
import { isSecret } from './schema-walk.ts';

/** What `check --print` asks about each scalar of the value it prints. */
export interface PrintContext {
  /** Where the value came from, in words; null prints no comment. */
  originOf(path: KeyPath): string | null;
  /** What stands in for a value that must not be printed; null prints the value. */
  standInFor(path: KeyPath): string | null;
}

/** Any effective value as YAML, with the origin of every scalar and empty collection as a comment behind it. */
export function printValue(value: unknown, context: PrintContext): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  annotate(document.contents, [], context);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** The document as loaded, before inheritance. */
export function printConfig(loaded: LoadedConfig, schema: z.ZodType): string {
  return printValue(loaded.value, originsOf(loaded, schema));
}

/** The origins of a loaded document, for printing it or a value derived from it by the same paths. */
export function originsOf(loaded: LoadedConfig, schema: z.ZodType): PrintContext {
  return {
    originOf(path) {
      const { file, line, column } = loaded.origins.place(path);
      const place = line === 0 ? file : `${file}:${line}:${column}`;
      const from = loaded.origins.reference(path)?.from;
      return from === undefined || from === '' ? place : `${place}, from ${from}`;
    },
    standInFor(path) {
      const reference = loaded.origins.reference(path);
      if (reference !== null) return reference.shown;
      return isSecret(schema, path, valueAt(loaded.value, path)) ? '<secret>' : null;
    },
  };
}

function annotate(node: unknown, path: (string | number)[], context: PrintContext): void {
  if (isMap(node) && node.items.length > 0) {
    for (const pair of node.items) {
      path.push(isScalar(pair.key) ? String(pair.key.value) : '');
      annotate(pair.value, path, context);
      path.pop();
    }
  } else if (isSeq(node) && node.items.length > 0) {
    for (const [index, item] of node.items.entries()) {
      path.push(index);
      annotate(item, path, context);
      path.pop();
    }
  } else if (isScalar(node) || isMap(node) || isSeq(node)) {
    if (isScalar(node)) hide(node, path, context);
    const origin = context.originOf(path);
    if (origin !== null) node.comment = ` ${origin}`;
  }
}

function hide(node: Scalar, path: KeyPath, context: PrintContext): void {
  const standIn = context.standInFor(path);
  // A block of several lines has no room for a comment behind it; in quotes every value stays on its line.
  if (standIn !== null) node.value = standIn;
  else if (typeof node.value === 'string') node.value = escapeReferences(node.value);
  if (standIn !== null || (typeof node.value === 'string' && node.value.includes('\n')))
    node.type = Scalar.QUOTE_DOUBLE;
}
