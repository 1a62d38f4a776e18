/** Pairs of first and last code points. */
export interface CharacterSet {
  readonly ranges: readonly (readonly [number, number])[];
}

export const LAST = 0x10ffff;

const DIGIT: CharacterSet = { ranges: [[48, 57]] };
const WORD: CharacterSet = {
  ranges: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
};
const SPACE: CharacterSet = {
  ranges: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
};
/** By letter of the escape. */
export const CLASSES: Readonly<Record<string, CharacterSet>> = {
  d: DIGIT,
  D: negate(DIGIT),
  w: WORD,
  W: negate(WORD),
  s: SPACE,
  S: negate(SPACE),
};
export const ANY = negate({ ranges: [] });
export const NOT_NEWLINE = negate(single('\n'));

export function single(character: string): CharacterSet {
  const code = character.codePointAt(0) ?? 0;
  return { ranges: [[code, code]] };
}

export function negate({ ranges }: CharacterSet): CharacterSet {
  const rest: [number, number][] = [];
  let from = 0;
  for (const [low, high] of [...ranges].sort((one, other) => one[0] - other[0])) {
    if (low > from) rest.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= LAST) rest.push([from, LAST]);
  return { ranges: rest };
}
