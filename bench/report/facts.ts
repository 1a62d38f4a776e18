import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { versionOf } from '../harness/machine.ts';
import { NODE, PROJECT } from '../harness/process.ts';

/** What the figures were taken on and with, name and value. */
export type Facts = readonly (readonly [string, string])[];

function packageVersion(name: string): string {
  const text = readFileSync(join(PROJECT, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const firstNumber = (text: string | null): string => /\d+(?:\.\d+)+/.exec(text ?? '')?.[0] ?? 'not installed';

export function machineFacts(): Facts {
  const cores = cpus();
  return [
    ['CPU', `${cores[0]?.model ?? 'unknown'}, ${cores.length} cores`],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['kernel', `Linux ${release()}`],
    ['Node', firstNumber(versionOf(NODE, '--version'))],
    ['nginx', firstNumber(versionOf('nginx', '-v'))],
    ['HAProxy', firstNumber(versionOf('haproxy', '-v'))],
    ['@fastify/http-proxy', `${packageVersion('@fastify/http-proxy')} on fastify ${packageVersion('fastify')}`],
    ['wrk', firstNumber(versionOf('wrk', '-v'))],
  ];
}
