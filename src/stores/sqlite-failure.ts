/** Result codes of SQLite (https://sqlite.org/rescode.html), the primary ones: the low byte. */
const SQLITE = { PERM: 3, BUSY: 5, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;

/** Such a file cannot be used, whoever tries again: the message goes on after its name. */
export class UnfitFile extends Error {}

export function damaged(file: string, why: string): UnfitFile {
  return new UnfitFile(
    `is damaged (${why}): restore it from a backup, or move it and \`${file}-wal\` away to begin with none`,
  );
}

/** Nothing but a retry is needed. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === SQLITE.BUSY;
}

/** What went wrong, in words for an operator and with what to do about it. */
export function describeFailure(error: unknown, file: string): string {
  if (error instanceof UnfitFile) return `\`${file}\` ${error.message}`;
  const { message } = error as Error;
  const code = primaryCode(error);
  if (code === SQLITE.CORRUPT || code === SQLITE.NOTADB) return `\`${file}\` ${damaged(file, message).message}`;
  return `\`${file}\` ${words(code ?? (error as NodeJS.ErrnoException).code, message)}`;
}

function primaryCode(error: unknown): number | null {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? null : errcode & 0xff;
}

function words(code: number | string | undefined, message: string): string {
  switch (code) {
    case SQLITE.FULL:
    case 'ENOSPC':
    case 'EDQUOT':
      return 'cannot be written: the disk is full';
    case SQLITE.READONLY:
    case SQLITE.PERM:
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'cannot be written: this user may not, or the disk is read-only';
    case SQLITE.CANTOPEN:
    case 'ENOENT':
      return 'cannot be opened: does its folder exist, and may this user write there?';
    case SQLITE.BUSY:
      return 'is locked by another process';
    default:
      return `cannot be read or written (${message})`;
  }
}
