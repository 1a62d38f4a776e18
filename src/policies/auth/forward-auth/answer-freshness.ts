import { fieldName, type HeaderBlock } from '../../../base/headers.ts';

const cacheControl = fieldName('cache-control');

/**
 * How long an answer may be gone by: at most `most` milliseconds, and as far as its Cache-Control allows (RFC 9111,
 * 5.2.2). Only what forbids or shortens counts, since the answer is remembered for one credential.
 */
export function freshFor(headers: HeaderBlock, most: number): number {
  const field = headers.getAll(cacheControl);
  if (field === undefined) return most;
  let least = most;
  for (const written of field.toLowerCase().split(',')) {
    const directive = written.trim();
    if (/^no-(?:store|cache)\b/.test(directive)) return 0;
    if (!directive.startsWith('max-age')) continue;
    // RFC 9111, 4.2.1: what cannot be read is not fresh.
    const seconds = /^max-age="?(\d{1,9})"?$/.exec(directive)?.[1] ?? '0';
    least = Math.min(least, Number(seconds) * 1_000);
  }
  return least;
}
