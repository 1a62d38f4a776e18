/** Entity tags (RFC 9110, 8.8.3). */
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
const LISTED = /(?:^|,)[ \t]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)/g;

export function isEntityTag(text: string): boolean {
  return ENTITY_TAG.test(text);
}

export function isWeakTag(tag: string): boolean {
  return tag.startsWith('W/');
}

/** The strong comparison (RFC 9110, 8.8.3.2): identical, and neither is weak. */
export function matchesStrongly(one: string, other: string): boolean {
  return one === other && one !== '' && !isWeakTag(one);
}

/** The weak comparison: the same but for weakness. */
export function matchesWeakly(one: string, other: string): boolean {
  return one !== '' && other !== '' && opaque(one) === opaque(other);
}

/** Does a list as in If-None-Match (RFC 9110, 13.1.2), `*` too, name this tag by the weak comparison? */
export function listsWeakly(list: string, tag: string): boolean {
  if (list === '*') return true;
  if (tag === '') return false;
  if (list === tag) return true;
  const wanted = opaque(tag);
  for (const [, listed] of list.matchAll(LISTED)) if (opaque(listed as string) === wanted) return true;
  return false;
}

function opaque(tag: string): string {
  return isWeakTag(tag) ? tag.slice(2) : tag;
}
