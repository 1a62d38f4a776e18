import { once } from 'node:events';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { httpClient, httpsClient } from '../../../base/http-client.ts';
import { trustingAgent } from '../trusting-agent.ts';

/** A document of an issuer: configuration or keys. */
export interface FetchedDocument {
  readonly document: unknown;
  /** Milliseconds for which the issuer says that it is good; null: it does not say. */
  readonly lifetime: number | null;
}

export interface FetchSettings {
  /** Milliseconds from asking to the last byte, redirects included. */
  readonly timeout: number;
  /** PEM text of the authorities to trust; undefined: the system's and Node's own. */
  readonly ca?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** No usable document: the message is for operators, and names no secret. */
export class FetchFailure extends Error {
  /** Null: there was no answer. */
  readonly status: number | null;
  /** Milliseconds for which the issuer wants to be left alone. */
  readonly retryAfter: number;

  constructor(message: string, status: number | null = null, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const MAX_BODY = 512 * 1024;
const MAX_HEAD = 16 * 1024;
const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** An issuer that asks for an hour of silence would turn an outage of its own into one of ours. */
const MAX_RETRY_AFTER = 60_000;
const HEADERS = {
  accept: 'application/jwk-set+json, application/json',
  'accept-encoding': 'identity',
  'user-agent': 'sluice',
};

/** GET with a bound on everything: size, time, and redirects, which never leave the scheme. */
export async function fetchDocument(url: URL, settings: FetchSettings): Promise<FetchedDocument> {
  const timeout = new AbortController();
  const timer = settings.clock.after(settings.timeout, () => {
    timeout.abort(new FetchFailure(`${forPeople(url)}: no whole answer within ${settings.timeout} ms`));
  });
  const signal = AbortSignal.any([settings.signal, timeout.signal]);
  try {
    let target = url;
    for (let redirects = 0; ; redirects++) {
      const answer = await get(target, settings.ca, signal);
      if (answer.location === null) return answer;
      if (redirects === MAX_REDIRECTS) throw new FetchFailure(`${forPeople(url)}: more than ${redirects} redirects`);
      target = redirected(target, answer.location);
    }
  } finally {
    timer.close();
  }
}

/** Without what may be secret. */
export function forPeople({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

interface Answer {
  readonly document: unknown;
  readonly lifetime: number | null;
  /** Where the document is instead. */
  readonly location: string | null;
}

async function get(url: URL, ca: string | undefined, signal: AbortSignal): Promise<Answer> {
  let request: ClientRequest | null = null;
  try {
    request = open(url, ca);
    const [response]: IncomingMessage[] = await once(request, 'response', { signal });
    if (response === undefined) throw new Error('no answer');
    const { statusCode: status = 0, headers } = response;
    if (REDIRECTS.has(status)) return { document: null, lifetime: null, location: headers.location ?? '' };
    if (status !== 200) throw new FetchFailure(`answers ${status}`, status, retryAfterOf(headers));
    return { document: parse(await bodyOf(response, signal)), lifetime: lifetimeOf(headers), location: null };
  } catch (error) {
    signal.throwIfAborted();
    const { status, retryAfter } = error instanceof FetchFailure ? error : { status: null, retryAfter: 0 };
    throw new FetchFailure(`${forPeople(url)}: ${reasonOf(error)}`, status, retryAfter);
  } finally {
    request?.destroy();
  }
}

/** One connection for one request: they are minutes apart. */
function open(url: URL, ca: string | undefined): ClientRequest {
  const options = { method: 'GET', headers: HEADERS, maxHeaderSize: MAX_HEAD };
  const isSecure = url.protocol === 'https:';
  const request = isSecure
    ? httpsClient().request(url, { ...options, agent: trustingAgent(ca) })
    : httpClient().request(url, { ...options, agent: false });
  // Whoever waits hears of it; a connection that fails once nobody waits any more is of no interest.
  request.on('error', () => undefined);
  return request.end();
}

async function bodyOf(response: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const { 'content-encoding': coding = 'identity', 'content-length': announced = '0' } = response.headers;
  if (coding !== 'identity') throw new FetchFailure('answers with a content coding that nobody asked for');
  const tooLarge = new FetchFailure(`answers with more than ${MAX_BODY} bytes`);
  if (Number(announced) > MAX_BODY) throw tooLarge;
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of addAbortSignal(signal, response)) {
    size += piece.length;
    if (size > MAX_BODY) throw tooLarge;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    // The parser's own words quote what was received.
    throw new FetchFailure('does not answer with JSON');
  }
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from);
  if (to?.protocol === from.protocol) return to;
  throw new FetchFailure(`${forPeople(from)}: redirects to ${to === null ? 'nowhere' : `the scheme ${to.protocol}`}`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Where several addresses were tried, only the code says something.
  return error.message || ('code' in error ? String(error.code) : error.name);
}

/** RFC 9111, 4.2.1 and 4.2.3: what is left of `max-age` after the time in other caches. */
function lifetimeOf({ 'cache-control': control = '', age = '' }: IncomingHttpHeaders): number | null {
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(control)) return 0;
  const maxAge = /(?:^|,)\s*max-age\s*=\s*"?(\d+)/i.exec(control)?.[1];
  if (maxAge === undefined) return null;
  const spent = /^\d+$/.test(age) ? Number(age) : 0;
  return Math.max(0, Number(maxAge) - spent) * 1000;
}

/** RFC 9110, 10.2.3, in seconds; a date is as good as none. */
function retryAfterOf({ 'retry-after': after = '' }: IncomingHttpHeaders): number {
  return /^\d+$/.test(after) ? Math.min(Number(after) * 1000, MAX_RETRY_AFTER) : 0;
}
