/** The most that is told apart (RFC 9111, 1.2.2): some 68 years. */
export const MOST_SECONDS = 2 ** 31;

/** A delta-seconds (RFC 9111, 1.2.2); -1: it is none. Text that is longer than any number of interest is the greatest. */
export function parseDeltaSeconds(text: string): number {
  const { length } = text;
  if (length === 0) return -1;
  let seconds = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    if (seconds < MOST_SECONDS) seconds = seconds * 10 + digit;
  }
  return Math.min(seconds, MOST_SECONDS);
}
