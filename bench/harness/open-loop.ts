import { fileURLToPath } from 'node:url';
import type { OpenLoopOptions, OpenLoopResult } from '../load/open-loop.ts';
import { LOAD_CORE } from './machine.ts';
import { NODE, Started } from './process.ts';

const PROGRAM = fileURLToPath(new URL('../load/open-loop.ts', import.meta.url));
const SLACK_MS = 20_000;

export function startOpenLoop(options: OpenLoopOptions): Started {
  return new Started('load at a fixed rate', LOAD_CORE, NODE, [PROGRAM, JSON.stringify(options)]);
}

export function readOpenLoop(output: string): OpenLoopResult {
  return JSON.parse(output) as OpenLoopResult;
}

export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  return readOpenLoop(await startOpenLoop(options).finish(options.seconds * 1000 + SLACK_MS));
}
