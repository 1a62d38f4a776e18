import type { Parsed } from '../base/units.ts';

/**
 * Origins as configured: `https://shop.example`, `https://*.shop.example` (any subdomain, however deep), `*`. They are
 * compared with the serialised origin that browsers send (RFC 6454, 6.2): lower case, no path, no default port.
 */
export interface OriginPattern {
  /** The origin, or what stands before the subdomain. */
  readonly prefix: string;
  /** What stands behind the subdomain, beginning with a dot; null for an exact origin. */
  readonly suffix: string | null;
}

const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?([a-z0-9._~-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/;
const DEFAULT_PORT: Readonly<Record<string, string>> = { http: ':80', https: ':443' };

export function parseOrigin(text: string): Parsed<OriginPattern> {
  if (text === '*') return { ok: true, value: { prefix: '', suffix: '' } };
  // Some clients of embedded pages send it; whoever runs in a sandbox could claim it, so it is taken literally only.
  if (text === 'null') return { ok: true, value: { prefix: 'null', suffix: null } };
  const match = ORIGIN.exec(text);
  if (match === null) return refuse(text);
  const [, scheme = '', wildcard, host = '', port = ''] = match;
  if (port !== '' && DEFAULT_PORT[scheme] === port) {
    const remedy = `Write \`${scheme}://${wildcard ?? ''}${host}\`.`;
    return { ok: false, message: 'browsers leave the default port out', remedy };
  }
  if (wildcard === undefined) return { ok: true, value: { prefix: text, suffix: null } };
  return { ok: true, value: { prefix: `${scheme}://`, suffix: `.${host}${port}` } };
}

export function matchesOrigin(pattern: OriginPattern, origin: string): boolean {
  const { prefix, suffix } = pattern;
  if (suffix === null) return origin === prefix;
  if (origin.length <= prefix.length + suffix.length) return false;
  if (!origin.startsWith(prefix) || !origin.endsWith(suffix)) return false;
  // Between them only a host's characters: `https://evil.example/.shop.example` is no subdomain.
  for (let i = prefix.length; i < origin.length - suffix.length; i++) {
    const code = origin.charCodeAt(i);
    if (!(code >= 97 && code <= 122) && !(code >= 48 && code <= 57) && code !== 45 && code !== 46) return false;
  }
  return true;
}

function refuse(text: string): { ok: false; message: string; remedy: string } {
  const message = 'this is not an origin';
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url !== null && url.host !== '' && !text.includes('*')) {
    return { ok: false, message, remedy: `Write \`${url.protocol}//${url.host}\`.` };
  }
  if (/^\*\.[a-z0-9.-]+$/i.test(text))
    return { ok: false, message, remedy: `Write \`https://${text.toLowerCase()}\`.` };
  const remedy = 'Write for instance `https://shop.example`, `https://*.shop.example` or `*`.';
  return { ok: false, message, remedy };
}
