import { registerHooks } from 'node:module';

const NAME = 'sluice-gateway';
const PUBLIC_MODULE = new URL(import.meta.url.endsWith('.ts') ? '../index.ts' : './index.js', import.meta.url).href;

let isShared = false;

/**
 * Lets users' modules import this package by name wherever they lie, such as beside a configuration in `/etc`, and always
 * this very copy: a `Reply` of another one would not be recognised. Once per thread, before the first import.
 */
export function shareOwnPackage(): void {
  if (isShared) return;
  isShared = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === NAME ? { url: PUBLIC_MODULE, shortCircuit: true } : next(specifier, context),
  });
}
