import { type IncomingMessage, request } from 'node:http';
import type { AdminSettings } from '../supervisor/settings.ts';
import { formatAdminAddress } from '../supervisor/start-error.ts';
import { StateDirectory } from '../supervisor/state-directory.ts';
import { readAdminSettings } from './admin-settings.ts';
import { CommandError } from './outcome.ts';

const PATIENCE_MS = 60_000;

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Talks to the running gateway that a configuration describes, with the token that it keeps beside it. */
export class AdminClient {
  readonly #settings: AdminSettings;
  readonly #token: string | null;
  readonly #tokenFile: string;

  private constructor(settings: AdminSettings, state: StateDirectory) {
    this.#settings = settings;
    this.#token = state.readToken();
    this.#tokenFile = state.tokenFile;
  }

  static async of(files: string[]): Promise<AdminClient> {
    const { admin, stateDir } = await readAdminSettings(files);
    if (admin === null) throw new CommandError('this configuration has no `admin` section, so there is nobody to ask');
    return new AdminClient(admin, new StateDirectory(stateDir));
  }

  async call(method: 'GET' | 'POST', path: string): Promise<AdminAnswer> {
    if (this.#token === null) {
      throw new CommandError(
        `there is no admin token at ${this.#tokenFile}: is the gateway running, and is the file yours to read?`,
      );
    }
    const answer = await this.#send(method, path, this.#token);
    if (answer.status === 401) {
      throw new CommandError(`the gateway does not accept the token at ${this.#tokenFile}`);
    }
    return answer;
  }

  #send(method: string, path: string, token: string): Promise<AdminAnswer> {
    const { host, port, path: socketPath } = this.#settings;
    // A gateway that listens on every address is asked on this machine's own.
    const target = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : (host ?? '127.0.0.1');
    const where = socketPath === null ? { host: target, port } : { socketPath };
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' };
    if (isName(target) || socketPath !== null) headers.host = 'localhost';
    return new Promise((resolve, reject) => {
      const sent = request({ ...where, method, path, headers, timeout: PATIENCE_MS, agent: false });
      sent.once('response', (response) =>
        readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject),
      );
      sent.once('timeout', () => sent.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
      sent.once('error', (error) => {
        const address = formatAdminAddress(this.#settings);
        reject(new CommandError(`no gateway answers at ${address} (${error.message}): is it running?`));
      });
      sent.end();
    });
  }
}

function isName(host: string): boolean {
  return !/^[0-9.]+$|:/.test(host);
}

async function readBody(response: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
