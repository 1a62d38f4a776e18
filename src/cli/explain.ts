import { type Command, InvalidArgumentError } from 'commander';
import { checkConfig } from '../compile/check.ts';
import { Explainer, type ExplainRequest } from '../compile/explain.ts';
import type { AssumedCaller } from '../compile/explain-caller.ts';
import { renderExplanation } from '../compile/explain-text.ts';
import { loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/render.ts';
import { registry } from '../policies/registry.ts';
import { parseCaller } from './assumed-caller.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { CommandError, ExitCode, print, printJson, wantsColor } from './outcome.ts';

type Field = readonly [name: string, value: string];

interface ExplainOptions extends ConfigOptions {
  readonly header?: Field[];
  readonly client?: string;
  readonly as?: AssumedCaller;
  readonly anonymous?: boolean;
}

/** RFC 9110, 5.6.2. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

export function define(command: Command): void {
  withJson(withConfig(command))
    .argument('<method>', 'such as GET', parseMethod)
    .argument('<url>', 'absolute, or a path')
    .option('-H, --header <field>', 'a header field, `name: value`; repeat for more', collectField)
    .option('--client <address>', 'address of the client')
    .option('--as <caller>', 'who calls: `id=42,scopes=users:read,roles=admin,claims.tier=gold`, or JSON', parseAs)
    .option('--anonymous', 'nobody has identified')
    .addHelpText(
      'after',
      '\nNothing is sent, and no gateway has to run. Example:\n  sluice explain GET http://shop.example/v1/users/42 --as id=42,scopes=users:read',
    )
    .action(explain);
}

async function explain(method: string, url: string, options: ExplainOptions): Promise<void> {
  if (options.as !== undefined && options.anonymous === true) {
    throw new CommandError('`--as` and `--anonymous` exclude each other', ExitCode.usage);
  }
  const loaded = await loadConfig(configFiles(options), { env: process.env });
  const checked = await checkConfig(loaded, { registry });
  const explainer = await Explainer.of(checked, registry);
  if (explainer === null) {
    const color = wantsColor(process.stderr);
    const errors = checked.problems.filter(({ severity }) => severity === 'error');
    throw new CommandError(`the configuration has errors:\n${renderProblems(errors, checked.sources, { color })}`);
  }
  const request: ExplainRequest = {
    method,
    url,
    headers: options.header ?? [],
    ...(options.client !== undefined && { client: options.client }),
    caller: options.as ?? (options.anonymous === true ? 'anonymous' : 'unknown'),
  };
  const whyNot = explainer.whyNot(request.caller ?? 'unknown');
  if (whyNot !== null) throw new CommandError(whyNot);
  const explanation = explainer.explain(request);
  if (options.json) printJson(explanation);
  else print(renderExplanation(explanation));
}

function parseMethod(method: string): string {
  if (!TOKEN.test(method)) throw new InvalidArgumentError('A method is a word such as GET.');
  return method.toUpperCase();
}

function parseAs(text: string): AssumedCaller {
  try {
    return parseCaller(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function collectField(text: string, before: Field[] | undefined): Field[] {
  const at = text.indexOf(':');
  const name = text.slice(0, Math.max(at, 0)).trim();
  const value = text.slice(at + 1).trim();
  if (!TOKEN.test(name)) throw new InvalidArgumentError('A field is written `name: value`.');
  if (/[\r\n\0]/.test(value)) throw new InvalidArgumentError('A field is one line.');
  return [...(before ?? []), [name, value]];
}
