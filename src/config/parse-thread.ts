import { Worker } from 'node:worker_threads';
import type { Problem } from '../base/problem.ts';
import type { LoadedConfig, LoadOptions } from './document.ts';
import { loadConfig } from './load.ts';
import { Origins, type OriginTable } from './origins.ts';

export interface LoadJob {
  files: string[];
  options: LoadOptions;
}

/** A loaded configuration on its way to another thread: the table of places moves, the rest is small or text. */
export interface PackedConfig extends Omit<LoadedConfig, 'value' | 'origins' | 'sources' | 'problems'> {
  json: string;
  table: OriginTable;
  sources: Map<string, string>;
  problems: Problem[];
}

const SCRIPT = new URL(import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.js', import.meta.url);

/** `loadConfig` in a thread of its own, for a caller whose event loop must go on while a large file is parsed. */
export function loadConfigInThread(files: string[], options: LoadOptions): Promise<LoadedConfig> {
  const job: LoadJob = { files, options: { ...options, env: { ...options.env } } };
  return new Promise((resolve, reject) => {
    const worker = new Worker(SCRIPT, { workerData: job, name: 'read configuration' });
    worker.once('message', (packed: PackedConfig) => {
      resolve(unpack(packed));
      void worker.terminate();
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread that reads the configuration ended with code ${code}`)));
  });
}

/** What the thread sends back; `transfer` goes with it to `postMessage`. */
export async function runLoadJob(job: LoadJob): Promise<{ packed: PackedConfig; transfer: ArrayBuffer[] }> {
  const { value, origins, sources, ...rest } = await loadConfig(job.files, job.options);
  const { table } = origins;
  const packed: PackedConfig = { ...rest, json: JSON.stringify(value), table, sources: new Map(sources) };
  return { packed, transfer: [table.rows.buffer as ArrayBuffer] };
}

function unpack({ json, table, ...rest }: PackedConfig): LoadedConfig {
  const value: unknown = JSON.parse(json);
  return { ...rest, value, origins: new Origins(table, value, rest.sources) };
}
