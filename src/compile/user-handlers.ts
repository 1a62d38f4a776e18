import { pathToFileURL } from 'node:url';
import { shareOwnPackage } from '../config/own-package.ts';
import type { Handler } from '../plan/handler.ts';

/**
 * Loads one user's handler: the default export of a module, a function or an object with a `fetch` method, as frameworks
 * that answer web requests export it. Throws when it is neither.
 */
export async function importHandler(file: string): Promise<Handler> {
  shareOwnPackage();
  const { default: exported } = (await import(pathToFileURL(file).href)) as { default?: unknown };
  if (typeof exported === 'function') return exported as Handler;
  if (typeof exported === 'object' && exported !== null) {
    const { fetch } = exported as { fetch?: unknown };
    if (typeof fetch === 'function') return fetch.bind(exported) as Handler;
  }
  throw new TypeError(`${file}: its default export is neither a function nor an object with \`fetch\``);
}
