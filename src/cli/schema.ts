import type { Command } from 'commander';
import { documentSchema } from '../compile/model/document.ts';
import { toJsonSchema } from '../config/json-schema.ts';
import { registry } from '../policies/registry.ts';
import { printJson } from './outcome.ts';

export function define(command: Command): void {
  command.action(() => printJson(toJsonSchema(documentSchema(registry), { title: 'Sluice configuration' })));
}
