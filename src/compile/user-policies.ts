import { pathToFileURL } from 'node:url';
import { shareOwnPackage } from '../config/own-package.ts';
import type { PolicyModule } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import type { CheckContext } from './check-context.ts';
import { settingShape } from './model/route.ts';

const NAME = /^[a-z][A-Za-z0-9]*$/;

/** Loads one user's policy: the default export of a module. Throws when it is none. */
export async function importPolicy(file: string): Promise<PolicyModule> {
  shareOwnPackage();
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  const policy = module.default;
  const problem = shapeProblem(policy);
  if (problem !== null) throw new TypeError(problem);
  return policy as PolicyModule;
}

function shapeProblem(policy: unknown): string | null {
  if (typeof policy !== 'object' || policy === null) return 'its default export is not a policy';
  const { name, schema, compile } = policy as Record<string, unknown>;
  if (typeof name !== 'string' || !NAME.test(name)) return 'its `name` is not a word such as `tenant`';
  if (typeof (schema as { safeParse?: unknown } | undefined)?.safeParse !== 'function')
    return 'its `schema` is not a zod schema';
  if (typeof compile !== 'function') return 'its `compile` is not a function';
  return null;
}

/** Users' policies as the document names them, in that order; what does not load is reported. */
export async function loadUserPolicies(
  registry: Registry,
  context: CheckContext,
): Promise<{ modules: PolicyModule[]; files: string[] }> {
  const modules: PolicyModule[] = [];
  const files: string[] = [];
  const names = new Set([...registry.policies.map(({ name }) => name), ...Object.keys(settingShape)]);
  const value = (context.loaded.value as { policies?: unknown } | null)?.policies;
  for (const [index, name] of (Array.isArray(value) ? value : value === undefined ? [] : [value]).entries()) {
    // Anything else is the schema's to report.
    if (typeof name !== 'string' || name === '') continue;
    const path = Array.isArray(value) ? ['policies', index] : ['policies'];
    const file = context.codeFile(name, path);
    try {
      const module = await importPolicy(file);
      if (names.has(module.name)) {
        const message = `there is a setting \`${module.name}\` already`;
        context.error('duplicate-policy', message, 'Give the policy another `name`.', path);
        continue;
      }
      names.add(module.name);
      modules.push(module);
      files.push(file);
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
      const message = `\`${name}\` does not load: ${error instanceof Error ? error.message : String(error)}`;
      const remedy = missing ? 'Paths are relative to the file that names them.' : 'Correct the module.';
      context.error('policy-not-loaded', message, remedy, path);
    }
  }
  return { modules, files };
}
