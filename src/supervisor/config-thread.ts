import { createHash } from 'node:crypto';
import { setPriority } from 'node:os';
import { serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { checkConfig } from '../compile/check.ts';
import { type PlanDocument, planParts } from '../compile/plan-document.ts';
import { assignSeries } from '../compile/series.ts';
import { loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/render.ts';
import { registry } from '../policies/registry.ts';
import { readCodeFiles } from './code-files.ts';
import type { ConfigJob, ConfigResult } from './config-job.ts';
import { processSettings } from './settings.ts';
import { plansInForce } from './usage-view.ts';

/** Composition root of the thread that reads one configuration and is then thrown away. */
async function perform({ files, env, series: known, version, color }: ConfigJob): Promise<ConfigResult> {
  const loaded = await loadConfig([...files], { env });
  const checked = await checkConfig(loaded, {
    registry,
  });
  const { document, supervised, stores, process, problems, dataFiles, codeFiles } = checked;
  const code = await readCodeFiles(codeFiles);
  const common = {
    problems,
    rendered: renderProblems(problems, checked.sources, { color }),
    watched: [...new Set([...loaded.watched, ...dataFiles, ...code.files])],
    watchedPatterns: loaded.watchedPatterns,
  };
  if (document === null || process === null) return { ok: false, ...common };
  const settings = processSettings(process, files, env, stores);
  const assigned = assignSeries(document, known);
  return {
    ok: true,
    settings,
    listen: document.listeners.map(({ address }) => address),
    parts: partsOf({ ...assigned.document, version }),
    series: assigned.series,
    plans: plansInForce(document),
    supervised,
    hash: hashOf({ ...assigned.document, version: 0 }, { settings, supervised }),
    codeHash: code.hash,
    ...common,
  };
}

function partsOf(document: PlanDocument): SharedArrayBuffer[] {
  return Array.from(planParts(document), (part) => {
    const bytes = serialize(part);
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    return shared;
  });
}

function hashOf(document: PlanDocument, settings: object): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const part of planParts(document)) hash.update(serialize(part));
  return hash.digest('hex');
}

/**
 * Nice value of this thread: a third of a worker's share where the two fight for one core. At 19 a reload starves beside
 * a saturated worker (measured: no end of it within 20 s).
 */
const NICENESS = 5;

/**
 * On Linux a priority belongs to a thread. Reading ten thousand routes is a second of work that shares its cores with
 * the workers, and requests are more urgent.
 */
function yieldToWorkers(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, NICENESS);
  } catch {
    // A sandbox that refuses it costs latency during a reload, nothing else.
  }
}

yieldToWorkers();
parentPort?.postMessage(await perform(workerData as ConfigJob));
