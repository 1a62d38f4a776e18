/**
 * Names of fields together with every spelling that a service may take for the same: CGI and its heirs see `x-user-id`,
 * `X_User_Id` and `x.user.id` alike, as `HTTP_X_USER_ID`.
 */
export class LookAlikes {
  readonly #names: readonly string[];
  /** One bit for each length of a name: most fields have another one. */
  readonly #lengths: number;

  constructor(names: readonly string[]) {
    this.#names = names.map((name) => name.toLowerCase());
    this.#lengths = names.reduce((bits, { length }) => bits | (1 << length), 0);
  }

  /** Whether `text[start, end)` is a spelling of one of the names. */
  covers(text: string, start: number, end: number): boolean {
    const length = end - start;
    if ((this.#lengths & (1 << length)) === 0) return false;
    const names = this.#names;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (name.length === length && isAlike(text, start, name)) return true;
    }
    return false;
  }
}

function isAlike(text: string, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const one = name.charCodeAt(i);
    const other = text.charCodeAt(start + i);
    if (one !== other && fold(one) !== fold(other)) return false;
  }
  return true;
}

/** Letters in lower case; everything that is neither letter nor digit is one and the same. */
function fold(code: number): number {
  if (code >= 65 && code <= 90) return code | 0x20;
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) ? code : 45;
}
