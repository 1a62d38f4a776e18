import { type AdminAnswer, callAdmin } from '../admin/client.ts';
import { formatAdminAddress } from '../supervisor/start-error.ts';
import { StateDirectory } from '../supervisor/state-directory.ts';
import { readAdminSettings } from './admin-settings.ts';
import { CommandError } from './outcome.ts';

/** Asks the running gateway that a configuration describes, with the token that it keeps beside it. */
export async function askGateway(
  files: string[],
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<AdminAnswer> {
  const { admin, stateDir } = await readAdminSettings(files);
  if (admin === null) throw new CommandError('this configuration has `admin: false`, so there is nobody to ask');
  const state = new StateDirectory(stateDir);
  const token = state.readToken();
  if (token === null) {
    throw new CommandError(`no admin token in ${state.tokenFile}: does the gateway run, and may you read that file?`);
  }
  let answer: AdminAnswer;
  try {
    answer = await callAdmin(admin, token, method, path, body);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new CommandError(`no gateway answers at ${formatAdminAddress(admin)} (${why}): does it run?`);
  }
  if (answer.status === 401) throw new CommandError(`the gateway does not accept the token in ${state.tokenFile}`);
  return answer;
}
