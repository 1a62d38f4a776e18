import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ListenerTls } from '../../src/plan/plan.ts';
import type { UpstreamTls } from '../../src/plan/upstream.ts';

export interface Settings {
  readonly upstream: string;
  readonly listenerTls: ListenerTls | null;
  readonly upstreamTls: UpstreamTls | null;
}

export interface Report {
  readonly port: number;
  /** Largest resident set, in bytes, since the last report that was asked to begin anew. */
  readonly peak: number;
  readonly active: number;
}

const SCRIPT = fileURLToPath(new URL('../fixtures/gateway-process.ts', import.meta.url));

/** A gateway whose memory is its own: `await using gateway = …`. */
export class GatewayProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  async report(restart = false): Promise<Report> {
    return await ask(this.#child, restart);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

async function ask(child: ChildProcess, restart: boolean): Promise<Report> {
  const answer = once(child, 'message') as Promise<[Report]>;
  child.send(restart);
  return (await answer)[0];
}

export async function startGatewayProcess(settings: Settings): Promise<GatewayProcess> {
  const child = fork(SCRIPT, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return new GatewayProcess(child, (await ask(child, false)).port);
}
