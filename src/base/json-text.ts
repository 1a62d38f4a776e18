/** Text that needs no escape in JSON. ASCII only: whatever else occurs is rare enough for the long way. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A JSON string. Log lines are made of many short ones: one test and a concatenation beat `JSON.stringify` by half. */
export function jsonString(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
