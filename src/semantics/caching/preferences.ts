/** Lists with weights (RFC 9110, 12.4.2): Accept, Accept-Encoding, Accept-Language, Accept-Charset. */
interface Preference {
  /** Without its weight. */
  readonly what: string;
  /** 0 to 1000. */
  readonly weight: number;
}

const WEIGHT = /;[ \t]*q=(?:(1)(?:\.0{0,3})?|0(?:\.(\d{0,3}))?)[ \t]*$/i;

/** The list without what means nothing: order, white space, the spelling of weights and, on demand, case. */
export function normalPreferences(list: string, ignoresCase: boolean): string {
  const all = preferences(ignoresCase ? list.toLowerCase() : list);
  all.sort((a, b) => b.weight - a.weight || (a.what < b.what ? -1 : 1));
  let text = '';
  let last = '';
  for (const { what, weight } of all) {
    const member = weight === 1000 ? what : `${what};q=${weight}`;
    if (member === last) continue;
    text += text === '' ? member : `,${member}`;
    last = member;
  }
  return text;
}

/** Of the codings there are, those that the client takes; `identity` is left out unless it is refused (RFC 9110, 12.5.3). */
export function reducedCodings(list: string, codings: readonly string[]): string {
  const all = preferences(list.toLowerCase());
  const any = weightOf(all, '*');
  let text = '';
  for (const coding of codings) {
    let weight = weightOf(all, coding);
    // RFC 9110, 8.4.1.3
    if (weight < 0 && coding === 'gzip') weight = weightOf(all, 'x-gzip');
    if ((weight < 0 ? any : weight) > 0) text += text === '' ? coding : `,${coding}`;
  }
  const identity = weightOf(all, 'identity');
  return identity === 0 || (identity < 0 && any === 0) ? `${text},!identity` : text;
}

/** Of the languages there are, the one that the client likes best (RFC 4647, 3.4); empty: it likes none. */
export function reducedLanguages(list: string, languages: readonly string[]): string {
  const all = preferences(list.toLowerCase());
  // Equal weights: in the order of the client, which most servers go by.
  all.sort((a, b) => b.weight - a.weight);
  for (const { what, weight } of all) {
    if (weight === 0) break;
    const found = what === '*' ? languages.find((language) => weightOf(all, language) !== 0) : lookUp(what, languages);
    if (found !== undefined) return found;
  }
  return '';
}

/** `de-at` finds `de-AT`, else `de`, else the first that is a kind of it. */
function lookUp(range: string, languages: readonly string[]): string | undefined {
  for (let end = range.length; end > 0; end = range.lastIndexOf('-', end - 1)) {
    const shorter = range.slice(0, end);
    for (const language of languages) if (language.toLowerCase() === shorter) return language;
  }
  return languages.find((language) => language.toLowerCase().startsWith(`${range}-`));
}

function preferences(list: string): Preference[] {
  const all: Preference[] = [];
  for (const member of list.split(',')) {
    const match = WEIGHT.exec(member);
    const what = (match === null ? member : member.slice(0, match.index)).trim();
    if (what === '') continue;
    const weight = match === null || match[1] !== undefined ? 1000 : Number((match[2] ?? '').padEnd(3, '0'));
    all.push({ what, weight });
  }
  return all;
}

/** -1: it is not named. */
function weightOf(all: readonly Preference[], what: string): number {
  for (const preference of all) if (preference.what === what) return preference.weight;
  return -1;
}
