import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processTree } from './machine.ts';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const pinnedNode = `${PROJECT}node_modules/.bin/node`;
/** The Node that the project pins, so that a figure does not depend on what is installed on the machine. */
export const NODE = existsSync(pinnedNode) ? pinnedNode : process.execPath;

const KEPT_OUTPUT = 64 * 1024;
const STOP_PATIENCE_MS = 5_000;

/** Ended with this process, however it ends. */
const started = new Set<Started>();

process.on('exit', () => {
  for (const each of started) each.kill();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

/** A child process, pinned to a core (`null`: any core), which is ended by its id and never by its name. */
export class Started {
  readonly label: string;
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(label: string, core: number | null, command: string, args: readonly string[]) {
    this.label = label;
    const pinned = core === null ? [command, ...args] : ['taskset', '-c', String(core), command, ...args];
    this.child = spawn(pinned[0] ?? command, pinned.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], cwd: PROJECT });
    started.add(this);
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-KEPT_OUTPUT);
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-KEPT_OUTPUT);
    });
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.stderr += error.message;
        started.delete(this);
        resolve(null);
      });
      this.child.once('close', (code) => {
        started.delete(this);
        resolve(code);
      });
    });
  }

  /** `taskset` replaces itself by the command, so this is the command's own id. */
  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.label} did not start: ${this.stderr.trim()}`);
    return this.child.pid;
  }

  get running(): boolean {
    return started.has(this);
  }

  tree(): number[] {
    return processTree(this.pid);
  }

  kill(): void {
    if (this.child.pid === undefined) return;
    for (const pid of this.tree().reverse()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself meanwhile.
      }
    }
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    await Promise.race([this.exited, sleep(STOP_PATIENCE_MS, undefined, { ref: false })]);
    if (!this.running) return;
    this.kill();
    await this.exited;
  }

  /** Waits for its end; past the bound it is killed and that is an error. */
  async finish(boundMs: number): Promise<string> {
    const code = await Promise.race([this.exited, sleep(boundMs, 'late' as const, { ref: false })]);
    if (code === 'late') {
      this.kill();
      throw new Error(`${this.label} did not end within ${boundMs} ms`);
    }
    if (code !== 0) throw new Error(`${this.label} ended with ${code}: ${lastLines(this.stderr || this.stdout)}`);
    return this.stdout;
  }
}

/** What a program said last, without the stack frames of Node. */
export function lastLines(text: string, count = 8): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^node:|^Node\.js v/.test(line));
  return lines.slice(-count).join('\n');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port to listen on');
  return address.port;
}
