/** Value of the first cookie of that name in a Cookie field (RFC 6265, 5.4), without the quotes some servers put. */
export function cookieValue(field: string, name: string): string | undefined {
  let start = 0;
  while (start < field.length) {
    while (field.charCodeAt(start) === 32) start++;
    const semicolon = field.indexOf(';', start);
    const end = semicolon < 0 ? field.length : semicolon;
    if (field.charCodeAt(start + name.length) === 61 && start + name.length < end && field.startsWith(name, start)) {
      const value = field.slice(start + name.length + 1, end).trimEnd();
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
    start = end + 1;
  }
  return undefined;
}
