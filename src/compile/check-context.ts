import { dirname, resolve } from 'node:path';
import type { Place, Problem } from '../base/problem.ts';
import { suggest } from '../base/suggest.ts';
import type { LoadedConfig } from '../config/document.ts';
import type { KeyPath } from '../config/key-path.ts';

/** Where the parts of the check report to, and how they get from key paths to places and files. */
export class CheckContext {
  readonly loaded: LoadedConfig;
  readonly #problems: Problem[] = [];
  readonly #seen = new Set<string>();
  readonly #data = new Set<string>();
  readonly #code = new Set<string>();

  constructor(loaded: LoadedConfig) {
    this.loaded = loaded;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Absolute paths of further files that the plan is made of. */
  get dataFiles(): readonly string[] {
    return [...this.#data];
  }

  /** Absolute paths of users' modules. */
  get codeFiles(): readonly string[] {
    return [...this.#code];
  }

  error(code: string, message: string, remedy: string, path: KeyPath, related: readonly KeyPath[] = []): void {
    this.add('error', code, message, remedy, this.loaded.origins.place(path), related);
  }

  /** An error about a key rather than its value. */
  keyError(code: string, message: string, remedy: string, path: KeyPath, related: readonly KeyPath[] = []): void {
    this.add('error', code, message, remedy, this.loaded.origins.keyPlace(path), related);
  }

  keyWarning(code: string, message: string, remedy: string, path: KeyPath, related: readonly KeyPath[] = []): void {
    this.add('warning', code, message, remedy, this.loaded.origins.keyPlace(path), related);
  }

  add(
    severity: Problem['severity'],
    code: string,
    message: string,
    remedy: string,
    place: Place,
    related: readonly KeyPath[] = [],
  ): void {
    const id = `${code} ${place.file}:${place.line}:${place.column} ${place.path} ${message}`;
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const problem: Problem = { severity, code, message, remedy, place };
    if (related.length > 0) problem.related = related.map((path) => this.loaded.origins.keyPlace(path));
    this.#problems.push(problem);
  }

  /** A name that should be among the known ones, and is not. */
  unknownName(code: string, what: string, name: string, known: Iterable<string>, path: KeyPath, inKey = false): void {
    const names = [...known];
    const near = suggest(name, names);
    const listed = names.slice(0, 8).map((each) => `\`${each}\``);
    const remedy =
      near !== null
        ? `Did you mean \`${near}\`?`
        : names.length === 0
          ? `There are none: define it.`
          : `Known: ${listed.join(', ')}${names.length > listed.length ? ', …' : ''}.`;
    const message = `there is no ${what} \`${name}\``;
    if (inKey) this.keyError(code, message, remedy, path);
    else this.error(code, message, remedy, path);
  }

  /** Keys of a map of the document as it was written, sound or not. */
  namesIn(section: string): Set<string> {
    const value = (this.loaded.value as Record<string, unknown> | null)?.[section];
    return new Set(typeof value === 'object' && value !== null ? Object.keys(value) : []);
  }

  /** A file named in the configuration stands relative to the file that names it. */
  dataFile(name: string, path: KeyPath): string {
    return this.#file(name, path, this.#data);
  }

  /** The same for a file that is no part of the plan: a change of it is no reload. */
  pathOf(name: string, path: KeyPath): string {
    return resolve(dirname(this.loaded.origins.place(path).file), name);
  }

  codeFile(name: string, path: KeyPath): string {
    return this.#file(name, path, this.#code);
  }

  #file(name: string, path: KeyPath, into: Set<string>): string {
    const file = this.pathOf(name, path);
    into.add(file);
    return file;
  }
}
