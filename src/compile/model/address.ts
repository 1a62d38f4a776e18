import { isIP } from 'node:net';
import { z } from 'zod';
import type { Parsed } from '../../base/units.ts';
import type { FieldMeta } from '../../plan/fields.ts';

/** Where a socket is bound or connected: a TCP address, or the path of a Unix socket. */
export interface SocketAddress {
  /** As written. */
  text: string;
  host: string | null;
  port: number;
  path: string | null;
}

export interface UpstreamUrl {
  /** As written, without a trailing slash. */
  text: string;
  tls: boolean;
  host: string;
  port: number;
  path: string | null;
  /** Empty or `/like/this`. */
  basePath: string;
}

function refuse(message: string, remedy: string): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}

/** `127.0.0.1:8080`, `[::]:8080`, `localhost:8080`, `:8080` or a bare port for every address, `unix:/run/sluice.sock`. */
export function parseAddress(text: string): Parsed<SocketAddress> {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    if (!path.startsWith('/'))
      return refuse('the path of a Unix socket is absolute', 'Write for instance `unix:/run/sluice.sock`.');
    return { ok: true, value: { text, host: null, port: 0, path } };
  }
  if (/^https?:\/\//.test(text))
    return refuse('this is a URL', `Write \`${text.replace(/^https?:\/\//, '').replace(/\/.*$/, '')}\`.`);
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text) ?? /^()()(\d{1,5})$/.exec(text);
  if (match === null) {
    if (isIP(text) === 6) return refuse('an address needs a port', `Write \`[${text}]:8080\`.`);
    if (/^[^:/\s]+$/.test(text)) return refuse('an address needs a port', `Write \`${text}:8080\`.`);
    return refuse(
      'this is not an address',
      'Write for instance `127.0.0.1:8080`, `[::]:8080` or `unix:/run/sluice.sock`.',
    );
  }
  const [, ipv6, name] = match;
  const port = Number(match[3]);
  if (port > 65_535) return refuse(`there is no port ${port}`, 'Ports go up to 65535.');
  if (ipv6 !== undefined && ipv6 !== '' && isIP(ipv6) !== 6) {
    return refuse('only IPv6 addresses stand in brackets', `Write \`${ipv6}:${port}\`.`);
  }
  const host = ipv6 || name || '0.0.0.0';
  return { ok: true, value: { text, host, port, path: null } };
}

/** `http://orders:4002`, `https://orders.example/v1`, `unix:/run/orders.sock`. */
export function parseUpstreamUrl(text: string): Parsed<UpstreamUrl> {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    if (!path.startsWith('/'))
      return refuse('the path of a Unix socket is absolute', 'Write for instance `unix:/run/orders.sock`.');
    return { ok: true, value: { text, tls: false, host: 'localhost', port: 0, path, basePath: '' } };
  }
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    const bare = /^[\w.-]+(?::\d+)?(?:\/\S*)?$/.test(text);
    const remedy = bare
      ? `Write \`http://${text}\`.`
      : 'Write for instance `http://127.0.0.1:3000` or `unix:/run/app.sock`.';
    return refuse('this is not the URL of a service', remedy);
  }
  if (url.username !== '' || url.password !== '') {
    return refuse(
      'a URL of a service carries no credentials',
      'Set the `authorization` header with `request: { headers: … }`.',
    );
  }
  if (url.search !== '' || url.hash !== '') return refuse('a URL of a service has no query', 'End it with the path.');
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const basePath = url.pathname.replace(/\/$/, '');
  return { ok: true, value: { text: text.replace(/\/$/, ''), tls, host, port, path: null, basePath } };
}

export function isUpstreamUrl(text: string): boolean {
  return /^(?:https?:\/\/|unix:)/i.test(text);
}

function parsedText<T>(parse: (text: string) => Parsed<T>, meta: FieldMeta, examples: string[]) {
  return z
    .union([z.string().meta({ ...meta, examples }), z.number().meta({ ...meta, unlisted: true })])
    .transform((written, context): T => {
      const parsed = parse(String(written));
      if (parsed.ok) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
      return z.NEVER;
    });
}

export function socketAddress() {
  return parsedText(parseAddress, { expects: 'an address such as `127.0.0.1:8080`' }, [
    '127.0.0.1:8080',
    '[::]:8080',
    'unix:/run/sluice.sock',
  ]);
}

export function upstreamUrl() {
  return parsedText(parseUpstreamUrl, { expects: 'a URL such as `http://127.0.0.1:3000`' }, [
    'http://127.0.0.1:3000',
    'https://orders.example/v1',
    'unix:/run/orders.sock',
  ]);
}
