import { processSchema } from '../compile/model/process.ts';
import { loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/render.ts';
import { type ProcessSettings, processSettings } from '../supervisor/settings.ts';
import { CommandError, wantsColor } from './outcome.ts';

/**
 * Where the gateway of these files listens for operators. Mistakes elsewhere in the files do not matter here: asking for
 * the status is what one does when a reload was refused.
 */
export async function readAdminSettings(files: string[]): Promise<ProcessSettings> {
  const loaded = await loadConfig(files, { env: process.env });
  const parsed = loaded.complete ? processSchema.safeParse(loaded.value) : null;
  if (parsed?.success === true) return processSettings(parsed.data, files, process.env);
  const { problems, sources } = loaded;
  throw new CommandError(
    problems.length > 0
      ? `the configuration cannot be read:\n${renderProblems(problems, sources, { color: wantsColor(process.stderr) })}`
      : 'the configuration does not say where the admin API is; `sluice check` says more',
  );
}
