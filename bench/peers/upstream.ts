import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOAD_CORE } from '../harness/machine.ts';
import { freePort, Started } from '../harness/process.ts';
import { CACHED_SIZES, cachedPath, untilReady, writeTemplate } from './peer.ts';

const BIG_FILES = { '/files/100KiB': 100 * 1024, '/files/1MiB': 1024 * 1024 } as const;

/** About 200 bytes, the size of a typical answer for one thing. */
const SMALL_ANSWER = JSON.stringify({
  id: '7d1f6a3e-5c55-4f0e-9a55-0c6a5d0b7a11',
  name: 'Espresso machine, two groups',
  price: { amount: 129900, currency: 'EUR' },
  stock: 17,
  tags: ['kitchen', 'coffee', 'professional'],
  rating: 4.6,
});

/** The service that every gateway of a run forwards to. */
export async function startUpstream(directory: string): Promise<{ port: number; stop: () => Promise<void> }> {
  const port = await freePort();
  // nginx drops its privileges when it has any, and still has to read the files.
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'files'));
  for (const [path, size] of Object.entries(BIG_FILES)) writeFileSync(join(directory, path), Buffer.alloc(size, 'x'));
  const config = writeTemplate(join(directory, 'upstream.conf'), 'upstream.conf', {
    directory,
    port,
    json: SMALL_ANSWER,
    cached: cachedAnswers(),
  });
  const started = new Started('upstream', LOAD_CORE, 'nginx', ['-p', directory, '-c', config, '-e', 'stderr']);
  await untilReady(started, `http://127.0.0.1:${port}`, '/');
  return { port, stop: () => started.stop() };
}

/** Hexadecimal digits of `$request_id`. */
const UNIQUE_BYTES = 32;
/** nginx takes no longer words in its configuration. */
const WORD_BYTES = 1_024;

function cachedAnswers(): string {
  const locations = CACHED_SIZES.map((bytes) => {
    const words = Math.floor((bytes - UNIQUE_BYTES) / WORD_BYTES);
    const rest = 'y'.repeat((bytes - UNIQUE_BYTES) % WORD_BYTES);
    const word = `set $word ${'x'.repeat(WORD_BYTES)};`;
    return `location = ${cachedPath(bytes)} { ${word} return 200 "${rest}$request_id${'$word'.repeat(words)}"; }`;
  });
  return locations.join('\n    ');
}
