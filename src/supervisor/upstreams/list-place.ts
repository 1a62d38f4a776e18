import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import { addAbortSignal } from 'node:stream';
import { httpClient, httpsClient } from '../../base/http-client.ts';
import { parseTargetList, type ReadList } from '../../compile/target-list.ts';
import type { ListSource } from '../../compile/upstream-work.ts';
import type { Found, Place } from './source.ts';

const MAX_HEAD = 16 * 1024;
/** Off by chance, so that gateways do not ask all at once. */
const JITTER = 0.1;

/** A list that an HTTP endpoint answers. Redirects are not followed: they would carry credentials elsewhere. */
export function listPlace(source: ListSource): Place {
  const { url, keepFor, interval, timeout } = source;
  const secureAgent = url.startsWith('https:') ? agentFor(source) : null;
  let known: { etag: string; list: ReadList & { ok: true } } | null = null;
  const found = (list: ReadList & { ok: true }): Found => {
    const nextIn = interval * (1 + JITTER * (2 * Math.random() - 1));
    return { endpoints: list.endpoints, problems: list.problems, failure: null, nextIn };
  };
  return {
    origin: 'http',
    of: withoutQuery(url),
    keepFor,
    async look(signal) {
      const both = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
      const options = { agent: secureAgent ?? false, maxHeaderSize: MAX_HEAD, headers: headersOf(source, known?.etag) };
      const request = secureAgent === null ? httpClient().request(url, options) : httpsClient().request(url, options);
      try {
        const { response, body } = await answerOf(request, source.maxSize, both);
        if (response.statusCode === 304 && known !== null) return found(known.list);
        if (response.statusCode !== 200) throw new Error(`it answers with status ${response.statusCode}`);
        const list = parseTargetList(body.toString(), 'json');
        if (!list.ok) throw new Error(list.reason);
        const { etag } = response.headers;
        known = etag === undefined ? null : { etag, list };
        return found(list);
      } catch (error) {
        throw both.aborted ? new Error(`no answer within ${timeout} ms`) : error;
      } finally {
        request.destroy();
      }
    },
  };
}

function agentFor({ tls }: ListSource): Agent {
  return new (httpsClient().Agent)({
    maxCachedSessions: 0,
    rejectUnauthorized: tls?.verify ?? true,
    ...(tls?.ca != null && { ca: tls.ca }),
    ...(tls?.certificate != null && { cert: tls.certificate }),
    ...(tls?.key != null && { key: tls.key }),
    ...(tls?.serverName != null && { servername: tls.serverName }),
  });
}

function headersOf({ headers }: ListSource, etag: string | undefined): Record<string, string> {
  return {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'sluice',
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...Object.fromEntries(headers),
  };
}

async function answerOf(
  request: ClientRequest,
  maxSize: number,
  signal: AbortSignal,
): Promise<{ response: IncomingMessage; body: Buffer }> {
  // Whoever waits hears of it; what fails once nobody waits any more is of no interest.
  request.on('error', () => undefined);
  request.end();
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of addAbortSignal(signal, response)) {
    size += piece.length;
    if (size > maxSize) throw new Error(`it answers with more than ${maxSize} bytes`);
    pieces.push(piece);
  }
  return { response, body: Buffer.concat(pieces) };
}

/** A query may carry a token. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
