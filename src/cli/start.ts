import type { Command } from 'commander';
import { callAdmin } from '../admin/client.ts';
import { type Controls, openAdmin } from '../admin/server.ts';
import { METRICS_CONTENT_TYPE, renderMetrics } from '../observability/metrics.ts';
import { registry } from '../policies/registry.ts';
import { openRecords, openUsage } from '../stores/open.ts';
import { openPurgeLog } from '../stores/open-responses.ts';
import { runConfigJob } from '../supervisor/config-job.ts';
import { ProcessLog } from '../supervisor/process-log.ts';
import { RecentTraffic } from '../supervisor/recent.ts';
import { obeySignals } from '../supervisor/signals.ts';
import { StartError } from '../supervisor/start-error.ts';
import { readProcess, readStatus } from '../supervisor/status.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { systemWarnings } from '../supervisor/system-checks.ts';
import { type ConfigOptions, configFiles, withConfig } from './options.ts';
import { CommandError, wantsColor } from './outcome.ts';
import { productVersion } from './product.ts';

const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../worker.ts' : './worker.js', import.meta.url);

interface StartOptions extends ConfigOptions {
  readonly takeOver?: boolean;
}

export function define(command: Command): void {
  withConfig(command)
    .option('--take-over', 'start beside the running gateway of this configuration, then send it away')
    .action(start);
}

/** Composition root of the main thread. */
async function start(options: StartOptions): Promise<void> {
  const files = configFiles(options);
  const version = productVersion();
  const log = ProcessLog.standard();
  for (const warning of systemWarnings()) log.warn('system', warning);
  let supervisor: Supervisor | null = null;
  let recent: RecentTraffic | null = null;
  const controls: Controls = {
    ready: () => supervisor?.ready ?? false,
    draining: () => supervisor?.draining ?? false,
    metrics: () => {
      if (supervisor === null) return null;
      const { routes, upstreams } = supervisor.config.series;
      const text = renderMetrics(supervisor.view(), routes, upstreams, readProcess(supervisor, version));
      return { type: METRICS_CONTENT_TYPE, text };
    },
    status: () => (supervisor && recent ? readStatus(supervisor, recent, { version, files }) : null),
    reload: async () => (await supervisor?.reload('api')) ?? null,
    drain: () => void supervisor?.stop('admin API'),
    handOver: () => void supervisor?.handOver(),
    keys: () => supervisor?.background?.keys ?? null,
    revocations: () => supervisor?.background?.revocations ?? null,
    usage: () => supervisor?.background?.usage ?? null,
    responses: () => supervisor?.background?.responses ?? null,
    upstreams: () => supervisor?.background?.upstreams ?? null,
    breakers: () => supervisor?.breakers ?? null,
    token: () => supervisor?.token ?? null,
    hosts: () => supervisor?.config.settings.admin?.hosts ?? [],
  };
  // A reload that is asked for before there is anything to reload must not end the process.
  process.on('SIGHUP', () => undefined);
  try {
    supervisor = await Supervisor.start({
      workerScript: WORKER,
      files,
      log,
      readConfig: (series, planVersion, threadEnv) => {
        // Later ones are read through the API and in logs, where colours are noise.
        const color = planVersion === 1 && wantsColor(process.stderr);
        return runConfigJob({ files, env: { ...process.env }, series, version: planVersion, color }, threadEnv);
      },
      registry,
      openRecords,
      openUsage,
      openPurgeLog,
      admin: {
        open: (settings) => openAdmin(settings, controls),
        isOurs: async (settings, token) =>
          token !== null && (await callAdmin(settings, token, 'GET', '/status').catch(() => null))?.status === 200,
        sendAway: async (settings, token) => {
          // It may go by itself meanwhile.
          if (token !== null) await callAdmin(settings, token, 'POST', '/hand-over').catch(() => null);
        },
      },
      ended: (code) => process.exit(code),
      takeOver: options.takeOver === true,
    });
  } catch (error) {
    if (error instanceof StartError) throw new CommandError(error.message);
    throw error;
  }
  const serving = supervisor;
  recent = new RecentTraffic(
    () => serving.view(),
    () => serving.config.series,
  );
  obeySignals(supervisor, log);
}
