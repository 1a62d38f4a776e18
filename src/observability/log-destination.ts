import { constants, fstatSync, openSync, type Stats } from 'node:fs';

/** POSIX keeps writes to a pipe together up to PIPE_BUF, which is 4096 on Linux. */
export const PIPE_BATCH = 4096;
/** A stream socket takes this in one piece; a file takes any size. */
const SOCKET_BATCH = 16 * 1024;
const FILE_BATCH = 64 * 1024;

/** Where lines go, and how many bytes of them one system call may carry so that the kernel keeps them together. */
export interface Destination {
  readonly fd: number;
  /** Its own descriptor, which does not block: a write is done at once or not at all. */
  readonly immediate: boolean;
  readonly batch: number;
}

/**
 * Standard output is often a pipe, shared with other threads and inherited as one that blocks. Opened anew it has a
 * description of its own, which may be told not to, and a small write then costs no trip through the thread pool.
 */
export function openStandardOutput(): Destination {
  const inherited = kindOf(1);
  if (inherited.batch !== PIPE_BATCH || !fstatSync(1).isFIFO()) return inherited;
  try {
    return {
      fd: openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK),
      immediate: true,
      batch: PIPE_BATCH,
    };
  } catch {
    return inherited;
  }
}

export function openLogFile(path: string): Destination {
  return kindOf(openSync(path, 'a', 0o640));
}

function kindOf(fd: number): Destination {
  return { fd, immediate: false, batch: batchOf(fstatSync(fd)) };
}

function batchOf(stats: Stats): number {
  if (stats.isFile()) return FILE_BATCH;
  return stats.isSocket() ? SOCKET_BATCH : PIPE_BATCH;
}
