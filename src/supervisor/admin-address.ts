import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessLog } from './process-log.ts';
import type { AdminSettings } from './settings.ts';
import { StartError, sameAddress, wordsForAdminFailure } from './start-error.ts';

const RETRY_MS = 250;

/** The admin API, as the supervisor needs to know it. */
export interface AdminFace {
  /** Rejects when the address cannot be had. */
  open(settings: AdminSettings): Promise<Closing>;
  /** A gateway that shares this one's state directory answers there. */
  isOurs(settings: AdminSettings, token: string | null): Promise<boolean>;
  /** Makes the gateway that answers there leave, and give up the address at once. */
  sendAway(settings: AdminSettings, token: string | null): Promise<void>;
}

interface Closing {
  close(): Promise<void>;
}

/** Where this process answers operators: had at the start, moved by a reload, passed on to a successor. */
export class AdminAddress {
  readonly #face: AdminFace;
  readonly #log: ProcessLog;
  #settings: AdminSettings | null = null;
  #open: Closing | null = null;
  #closed = false;

  constructor(face: AdminFace, log: ProcessLog) {
    this.#face = face;
    this.#log = log;
  }

  /**
   * Before any port is opened to clients: a second start by mistake would share those with the first. False: a process
   * to take over from holds the address. Throws `StartError` when it is somebody else.
   */
  async start(settings: AdminSettings | null, takeOver: boolean, token: string | null): Promise<boolean> {
    this.#settings = settings;
    if (settings === null) return true;
    try {
      this.#open = await this.#face.open(settings);
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && takeOver && (await this.#face.isOurs(settings, token))) return false;
      throw new StartError(wordsForAdminFailure(settings, code, message, takeOver));
    }
  }

  /** Sends the process before away, and takes the address from it. */
  async succeed(token: string | null): Promise<void> {
    const settings = this.#settings;
    if (settings === null) return;
    this.#log.info('take-over', 'serving; the process before may go');
    await this.#face.sendAway(settings, token);
    while (!this.#closed && this.#open === null) {
      try {
        this.#open = await this.#face.open(settings);
        this.#log.info('take-over', 'the admin address is ours');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
          this.#log.error('admin', `the admin API is off: ${(error as Error).message}`);
          return;
        }
        await sleep(RETRY_MS);
      }
    }
  }

  /** Has the next address beside the present one. Whoever asked then calls either of the two, once. */
  async prepare(next: AdminSettings | null): Promise<{ commit(): void; abandon(): void }> {
    if (sameAddress(next, this.#settings)) return { commit: () => undefined, abandon: () => undefined };
    const opened = next === null ? null : await this.#face.open(next);
    return {
      commit: () => {
        void this.#open?.close();
        this.#open = opened;
        this.#settings = next;
      },
      abandon: () => void opened?.close(),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = this.#open;
    this.#open = null;
    await open?.close();
  }
}
