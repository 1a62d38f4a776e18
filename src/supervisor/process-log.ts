import { writeSync } from 'node:fs';

export type LogLevel = 'info' | 'warn' | 'error';

/** What the process says about itself, apart from access logs: words for a terminal, JSON lines for a collector. */
export class ProcessLog {
  readonly #write: (text: string) => void;
  readonly #forPeople: boolean;

  constructor(write: (text: string) => void, forPeople: boolean) {
    this.#write = write;
    this.#forPeople = forPeople;
  }

  /** Standard error, written at once: the last words before an exit must not get lost in a buffer. */
  static standard(): ProcessLog {
    return new ProcessLog(writeStandardError, process.stderr.isTTY === true);
  }

  info(event: string, message: string, facts: object = {}): void {
    this.#line('info', event, message, facts);
  }
  warn(event: string, message: string, facts: object = {}): void {
    this.#line('warn', event, message, facts);
  }
  error(event: string, message: string, facts: object = {}): void {
    this.#line('error', event, message, facts);
  }

  #line(level: LogLevel, event: string, message: string, facts: object): void {
    if (this.#forPeople) {
      this.#write(level === 'info' ? `sluice: ${message}\n` : `sluice: ${level}: ${message}\n`);
      return;
    }
    this.#write(`${JSON.stringify({ time: new Date().toISOString(), level, event, message, ...facts })}\n`);
  }
}

function writeStandardError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // A reader that is slow (EAGAIN) or gone (EPIPE) must not take the gateway with it.
  }
}
