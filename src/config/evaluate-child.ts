/**
 * Runs in a process of its own: imports one `sluice.config.ts` and writes what it exports to descriptor 3, as JSON.
 * Nothing of the gateway is loaded here, so a configuration that loops, exits or exhausts memory takes only this process.
 */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { EvaluationMessage } from './evaluate.ts';
import { shareOwnPackage } from './own-package.ts';

const RESULT_DESCRIPTOR = 3;
/** The gateway's own code, which a configuration imports for its types: no part of the configuration. */
const OWN_CODE = new URL(import.meta.url.endsWith('.ts') ? '..' : '.', import.meta.url).href;
const imported = new Set<string>();
const refused: { path: (string | number)[]; what: string }[] = [];
const open = new Set<object>();

registerHooks({
  load(url, context, nextLoad) {
    if (url.startsWith('file:') && !url.includes('/node_modules/') && !url.startsWith(OWN_CODE)) {
      imported.add(fileURLToPath(url));
    }
    return nextLoad(url, context);
  },
});

shareOwnPackage();

function answer(message: EvaluationMessage): void {
  writeFileSync(RESULT_DESCRIPTOR, JSON.stringify(message));
}

function refuse(path: (string | number)[], what: string): null {
  refused.push({ path, what });
  return null;
}

function plain(value: unknown, path: (string | number)[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : refuse(path, `the number ${value}`);
    case 'undefined':
      return null;
    case 'function':
      return refuse(path, /^class\b/.test(Function.prototype.toString.call(value)) ? 'a class' : 'a function');
    case 'object':
      return value === null ? null : plainObject(value, path);
    default:
      return refuse(path, `a ${typeof value}`);
  }
}

function plainObject(value: object, path: (string | number)[]): unknown {
  if (open.has(value)) return refuse(path, 'an object that contains itself');
  open.add(value);
  let result: unknown;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    result = value.map((item, index) => plain(item, [...path, index]));
  } else if (prototype === Object.prototype || prototype === null) {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
    result = Object.fromEntries(entries.map(([key, entry]) => [key, plain(entry, [...path, key])]));
  } else {
    const name = (prototype as { constructor?: { name?: string } }).constructor?.name;
    result = refuse(path, name ? `an object of class ${name}` : 'an object with a prototype of its own');
  }
  open.delete(value);
  return result;
}

async function evaluate(file: string): Promise<EvaluationMessage> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    const exported = await module.default;
    if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
      return {
        kind: 'no-export',
        found: exported === undefined ? 'nothing' : typeof exported,
        imported: [...imported],
      };
    }
    const value = plain(exported, []);
    return { kind: 'value', value, refused, imported: [...imported] };
  } catch (error) {
    const thrown = error instanceof Error ? error : new Error(String(error));
    return { kind: 'thrown', message: thrown.message, stack: thrown.stack ?? '', imported: [...imported] };
  }
}

answer(await evaluate(process.argv[2] ?? ''));
// A configuration may leave timers or sockets behind; they are no reason to stay.
process.exit(0);
