import { createHash } from 'node:crypto';
import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface WatchOptions {
  /** Absolute paths. */
  files: readonly string[];
  /** Absolute glob patterns: a file that begins or ceases to match is a change. */
  patterns?: readonly string[];
  /** Quiet time after an event before the files are read; 150 ms unless told. */
  debounce?: number;
  /** How long a file may be gone before that counts as a change; 2 s unless told. */
  grace?: number;
  /** Interval of the look that needs no event from the system; 5 s unless told. */
  poll?: number;
  onChange(changed: string[]): void;
}

export interface Watcher {
  /** Goes on with another set of files; only what changes content is an event, not the change of the set. */
  update(files: readonly string[], patterns?: readonly string[]): void;
  close(): void;
}

const MISSING = 'missing';

/**
 * Watches a set of files by content. Events come from their folders, because an editor's rename and the `..data` link of
 * a Kubernetes volume replace the file itself; a slow poll stands in where the system sends none.
 */
export function watchFiles(options: WatchOptions): Watcher {
  return new FileSetWatcher(options);
}

class FileSetWatcher implements Watcher {
  private readonly options: WatchOptions;
  private files: Set<string>;
  private patterns: readonly string[];
  /** Digests as last reported. */
  private readonly known = new Map<string, string>();
  /** Files that are known because they match a pattern. */
  private readonly matches = new Set<string>();
  private readonly missingSince = new Map<string, number>();
  private readonly folders = new Map<string, { watcher: FSWatcher; inode: number }>();
  private readonly pollTimer: NodeJS.Timeout;
  private timer: NodeJS.Timeout | null = null;
  private first = true;
  private looking = false;
  private lookAgain = false;
  private closed = false;

  constructor(options: WatchOptions) {
    this.options = options;
    this.files = new Set(options.files);
    this.patterns = options.patterns ?? [];
    this.pollTimer = setInterval(() => this.look(), options.poll ?? 5000);
    this.pollTimer.unref();
    this.look();
  }

  update(files: readonly string[], patterns: readonly string[] = this.patterns): void {
    this.files = new Set(files);
    if (patterns.join('\n') !== this.patterns.join('\n')) {
      this.matches.clear();
      this.first = true;
    }
    this.patterns = patterns;
    for (const path of this.known.keys()) {
      if (!this.files.has(path) && !this.matches.has(path)) this.known.delete(path);
    }
    this.look();
  }

  close(): void {
    this.closed = true;
    clearInterval(this.pollTimer);
    if (this.timer !== null) clearTimeout(this.timer);
    for (const { watcher } of this.folders.values()) watcher.close();
    this.folders.clear();
  }

  private schedule(delay: number): void {
    if (this.closed) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.look();
    }, delay);
    this.timer.unref();
  }

  private look(): void {
    if (this.closed) return;
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    const { first } = this;
    this.first = false;
    // Before the files are read: what changes while they are being read has to raise an event.
    this.watchFolders();
    void this.compare(first).finally(() => {
      this.looking = false;
      if (this.lookAgain) this.schedule(0);
      this.lookAgain = false;
    });
  }

  private async compare(first: boolean): Promise<void> {
    const matched = (await Promise.all(this.patterns.map((pattern) => Array.fromAsync(glob(pattern))))).flat();
    const paths = [...new Set([...this.files, ...this.matches, ...matched])];
    const digests = await Promise.all(paths.map(digestOf));
    if (this.closed) return;
    const changed = paths.filter((path, index) => this.record(path, digests[index] ?? MISSING, first));
    for (const path of matched) this.matches.add(path);
    if (changed.length > 0) this.options.onChange(changed);
  }

  /** Takes note of a file's state; true when it is news. */
  private record(path: string, digest: string, first: boolean): boolean {
    const before = this.known.get(path);
    if (before === undefined) {
      this.known.set(path, digest);
      return !first && !this.files.has(path);
    }
    if (digest === before) {
      this.missingSince.delete(path);
      return false;
    }
    if (digest === MISSING && this.mayComeBack(path)) return false;
    this.missingSince.delete(path);
    this.known.set(path, digest);
    if (digest === MISSING && !this.files.has(path)) {
      this.known.delete(path);
      this.matches.delete(path);
    }
    return true;
  }

  private mayComeBack(path: string): boolean {
    const grace = this.options.grace ?? 2000;
    const now = performance.now();
    const since = this.missingSince.get(path) ?? now;
    this.missingSince.set(path, since);
    const left = since + grace - now;
    if (left > 0 && this.timer === null) this.schedule(left);
    return left > 0;
  }

  private watchFolders(): void {
    const wanted = new Set<string>();
    for (const path of [...this.files, ...this.matches, ...this.patterns.map(withoutWildcards)]) {
      wanted.add(dirname(path));
      wanted.add(dirname(targetOf(path)));
    }
    for (const [folder, { watcher, inode }] of this.folders) {
      // A folder that was replaced under its name has another inode, and the old watch is deaf.
      if (wanted.has(folder) && inode === inodeOf(folder)) continue;
      watcher.close();
      this.folders.delete(folder);
    }
    for (const folder of wanted) if (!this.folders.has(folder)) this.watchFolder(folder);
  }

  private watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.schedule(this.options.debounce ?? 150));
      watcher.on('error', () => watcher.close());
      this.folders.set(folder, { watcher, inode: inodeOf(folder) });
    } catch {
      // The folder does not exist, or the system is out of watches: the poll looks there, and tries again.
    }
  }
}

async function digestOf(path: string): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('base64');
  } catch {
    return MISSING;
  }
}

function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function inodeOf(folder: string): number {
  return statSync(folder, { throwIfNoEntry: false })?.ino ?? -1;
}

/** The pattern up to its first wildcard, as a path whose folder exists. */
function withoutWildcards(pattern: string): string {
  const at = pattern.search(/[*?[{]/);
  return at < 0 ? pattern : `${pattern.slice(0, at)}_`;
}
