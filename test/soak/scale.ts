/**
 * Long tortures run at a small size with every test run, and whole with `npm run soak`: the small size shows that they
 * work, the whole one that nothing adds up.
 */
const whole = process.env.SLUICE_SOAK === 'whole';

export function soak(small: number, large: number): number {
  return whole ? large : small;
}
