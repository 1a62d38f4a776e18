import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const TOKEN_FILE = 'admin-token';
const PID_FILE = 'pid';
const TOKEN_SHAPE = /^[A-Za-z0-9_-]{32,}$/;

/** Where things of this installation outlive the process: the admin token, and who holds the ports. */
export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes it, private to this user. Throws what the system says when that cannot be. */
  create(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  get tokenFile(): string {
    return join(this.path, TOKEN_FILE);
  }

  /** The token that changes through the admin API need; made at the first start, and kept. */
  ensureToken(): string {
    const known = this.readToken();
    if (known !== null) {
      chmodSync(this.tokenFile, 0o600);
      return known;
    }
    const token = randomBytes(32).toString('base64url');
    writeWhole(this.tokenFile, `${token}\n`);
    return token;
  }

  readToken(): string | null {
    try {
      const text = readFileSync(this.tokenFile, 'utf8').trim();
      return TOKEN_SHAPE.test(text) ? text : null;
    } catch {
      return null;
    }
  }

  /** Process that serves this configuration, or null when none does (any more). */
  readPid(): number | null {
    try {
      const pid = Number(readFileSync(join(this.path, PID_FILE), 'utf8'));
      if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return null;
      process.kill(pid, 0);
      return pid;
    } catch {
      return null;
    }
  }

  writePid(): void {
    writeWhole(join(this.path, PID_FILE), `${process.pid}\n`);
  }

  /** Unless another process has taken over meanwhile. */
  removePid(): void {
    try {
      if (Number(readFileSync(join(this.path, PID_FILE), 'utf8')) === process.pid) rmSync(join(this.path, PID_FILE));
    } catch {
      // It is gone already, or not ours to remove.
    }
  }
}

/** `sluice.yaml`'s neighbour, unless the service manager has a place for it. */
export function stateDirectoryPath(configured: string | null, configDirectory: string, env: NodeJS.ProcessEnv): string {
  // systemd may list several, separated by colons; the first is ours (systemd.exec(5), StateDirectory=).
  const given = env.STATE_DIRECTORY?.split(':')[0];
  return configured ?? (given || join(configDirectory, '.sluice'));
}

function writeWhole(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
