import type { FieldName, HeaderBlock } from '../../base/headers.ts';

/** How selecting fields are told apart; made once, at load. */
export interface VaryRules {
  /** Codings that the upstream may answer with: Accept-Encoding is reduced to those that the client takes. Null: as it is. */
  readonly codings: readonly string[] | null;
  /** Languages that there are: Accept-Language is reduced to the best of them. Null: as it is. */
  readonly languages: readonly string[] | null;
  /** Names in lower case that a response's Vary lists and that do not tell variants apart here; null: none. */
  readonly ignored: ReadonlySet<string> | null;
}

/** Names in lower case, sorted, without doubles, joined by `,`; `*`: no other request matches (RFC 9111, 4.1). */
export function varyNames(response: HeaderBlock, rules: VaryRules): string {
  throw new Error('to be written');
}

/** The names of `StoredPolicy.vary`, prepared. */
export function selectingFields(vary: string): readonly FieldName[] {
  throw new Error('to be written');
}

/**
 * What tells this request from others for a response that varies by these fields: the same text means that the stored
 * response matches (RFC 9111, 4.1). Nothing else in a key can look like it: values are escaped.
 */
export function variantText(fields: readonly FieldName[], request: HeaderBlock, rules: VaryRules): string {
  throw new Error('to be written');
}
