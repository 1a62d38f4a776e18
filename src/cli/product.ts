import { readFileSync } from 'node:fs';

/** Found from the sources and from the bundle alike. */
export function productVersion(): string {
  for (const candidate of ['../../package.json', '../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(candidate, import.meta.url), 'utf8'));
      if (name === 'sluice-gateway') return version;
    } catch {
      // Not there: the other place it is.
    }
  }
  return 'unknown';
}
