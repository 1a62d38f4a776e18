export const ExitCode = { fine: 0, wrong: 1, usage: 2 } as const;

/** Something that the user can mend; its message is all that is printed. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = ExitCode.wrong) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Ends a command that failed; the stack of what is a bug here is printed, that of a mistake is not. */
export function fail(error: unknown): void {
  const expected = error instanceof CommandError;
  process.stderr.write(`sluice: ${expected ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = expected ? error.exitCode : ExitCode.wrong;
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

export function wantsColor(stream: NodeJS.WriteStream): boolean {
  // https://no-color.org
  return stream.isTTY === true && !process.env.NO_COLOR;
}
