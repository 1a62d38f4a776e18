/** RFC 9110, 9.2.2: methods that may be repeated without another effect than once. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']);

export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}
