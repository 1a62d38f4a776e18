import { z } from 'zod';
import type { Parsed } from '../../base/units.ts';
import type { FieldMeta } from '../../plan/fields.ts';

export interface RedisUrl {
  tls: boolean;
  host: string;
  port: number;
  /** Of a Unix socket, else null. */
  path: string | null;
  username: string | null;
  password: string | null;
  database: number;
}

const DEFAULT_PORT = 6379;
const EXAMPLE =
  'Write for instance `redis://127.0.0.1:6379`, `rediss://redis.example:6380/2` or `unix:/run/redis.sock`.';

function refuse(message: string, remedy: string): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}

/** `redis://[[user]:password@]host[:port][/database]`, `rediss:` for TLS. Messages repeat nothing of it: a password. */
export function parseRedisUrl(text: string): Parsed<RedisUrl> {
  if (text.startsWith('unix:')) {
    const path = text.slice(5).replace(/^\/\/(?=\/)/, '');
    if (!path.startsWith('/')) return refuse('the path of a Unix socket is absolute', EXAMPLE);
    const nobody = { username: null, password: null, database: 0 };
    return { ok: true, value: { tls: false, host: 'localhost', port: 0, path, ...nobody } };
  }
  const url = URL.parse(text);
  const scheme = /^(?:redis|valkey)(s?):$/.exec(url?.protocol ?? '');
  if (url === null || scheme === null) return refuse('this is not the URL of a Redis server', EXAMPLE);
  if (url.hostname === '') return refuse('this URL names no host', EXAMPLE);
  if (url.search !== '' || url.hash !== '') {
    return refuse('a URL of Redis has no query', 'Say what it says by settings beside it: `prefix`, `tls`, `timeout`.');
  }
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined) {
    return refuse('the path of this URL is not the number of a database', 'End it with `/0`, `/1`, … or with nothing.');
  }
  try {
    return {
      ok: true,
      value: {
        tls: scheme[1] === 's',
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: url.port === '' ? DEFAULT_PORT : Number(url.port),
        path: null,
        username: url.username === '' ? null : decodeURIComponent(url.username),
        password: url.password === '' ? null : decodeURIComponent(url.password),
        database: Number(database),
      },
    };
  } catch {
    return refuse('the user or password has a `%` that begins no escape', 'Write `%25` for `%`, or use `password:`.');
  }
}

export function redisUrl() {
  const meta: FieldMeta = { expects: 'a URL such as `redis://127.0.0.1:6379`', secret: (text) => text.includes('@') };
  return z
    .string()
    .meta({ ...meta, examples: ['redis://127.0.0.1:6379', 'rediss://redis.example:6380/2'] })
    .transform((text, context): RedisUrl => {
      const parsed = parseRedisUrl(text);
      if (parsed.ok) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
      return z.NEVER;
    });
}
