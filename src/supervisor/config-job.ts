import { Worker } from 'node:worker_threads';
import type { Problem } from '../base/problem.ts';
import type { SupervisedDocument } from '../compile/plan-document.ts';
import type { RouteSeries, UpstreamSeries } from '../observability/metrics.ts';
import type { ProcessSettings } from './settings.ts';
import type { PlansInForce } from './usage-view.ts';

/**
 * Reading a configuration in a thread that is thrown away: ten thousand routes take seconds of work and much memory, and
 * the supervisor has signals, probes and workers to answer meanwhile.
 */
export interface ConfigJob {
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Series that names have already, so that their counters go on. */
  readonly series: KnownSeries;
  /** Version that the plan will carry. */
  readonly version: number;
  /** Problems are rendered with colours. */
  readonly color: boolean;
}

export interface KnownSeries {
  readonly routes: readonly RouteSeries[];
  readonly upstreams: readonly UpstreamSeries[];
}

export interface ConfigAccepted {
  readonly ok: true;
  readonly settings: ProcessSettings;
  /** Addresses for clients, as configured. */
  readonly listen: readonly string[];
  /** The plan, serialised, in parts. */
  readonly parts: readonly SharedArrayBuffer[];
  readonly series: KnownSeries;
  readonly plans: PlansInForce;
  /** Background work that it asks of the main thread. */
  readonly supervised: readonly SupervisedDocument[];
  /** Of everything that the plan is made of. */
  readonly hash: string;
  /** Of users' modules, which only new workers can load anew; empty when there are none. */
  readonly codeHash: string;
  readonly problems: readonly Problem[];
  /** Warnings as the reader sees them; empty when there are none. */
  readonly rendered: string;
  readonly watched: readonly string[];
  readonly watchedPatterns: readonly string[];
}

export interface ConfigRefused {
  readonly ok: false;
  readonly problems: readonly Problem[];
  readonly rendered: string;
  readonly watched: readonly string[];
  readonly watchedPatterns: readonly string[];
}

export type ConfigResult = ConfigAccepted | ConfigRefused;

const SCRIPT = new URL(import.meta.url.endsWith('.ts') ? './config-thread.ts' : './config-thread.js', import.meta.url);

/** Users' modules are loaded too, and one that loops must not stop reloads for good. */
const PATIENCE_MS = 60_000;

/**
 * Rejects only when the thread itself fails: a bug, a lack of memory, a user's module that never gets loaded. `env` is
 * that of the thread; what references in the configuration see is part of the job.
 */
export function runConfigJob(job: ConfigJob, env: NodeJS.ProcessEnv): Promise<ConfigResult> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(SCRIPT, { workerData: job, name: 'configuration', env });
    const timeout = setTimeout(() => {
      reject(new Error(`the configuration was not read within ${PATIENCE_MS / 1000} s: does a module of yours loop?`));
      void thread.terminate();
    }, PATIENCE_MS);
    thread.once('exit', () => clearTimeout(timeout));
    thread.once('message', (result: ConfigResult) => {
      resolve(result);
      void thread.terminate();
    });
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the configuration thread ended with code ${code}`)));
  });
}
