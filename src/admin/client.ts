import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { httpClient } from '../base/http-client.ts';
import type { AdminSettings } from '../supervisor/settings.ts';

const PATIENCE_MS = 60_000;

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** One request to an admin API. Rejects with the system's error when nobody answers. */
export function callAdmin(
  settings: AdminSettings,
  token: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<AdminAnswer> {
  const host = reachable(settings.host ?? '127.0.0.1');
  const where = settings.path === null ? { host, port: settings.port } : { socketPath: settings.path };
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' };
  const payload = body === undefined ? null : JSON.stringify(body);
  if (payload !== null) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = String(Buffer.byteLength(payload));
  }
  // Whatever name leads there: the other side accepts its own names only, and this is one of them.
  if (settings.path !== null || isIP(host) === 0) headers.host = 'localhost';
  return new Promise((resolve, reject) => {
    const sent = httpClient().request({ ...where, method, path, headers, timeout: PATIENCE_MS, agent: false });
    sent.once('response', (response) => {
      readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
    sent.once('error', reject);
    sent.end(payload);
  });
}

/** A gateway that listens on every address is asked on this machine's own. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

async function readBody(response: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
