import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import { addAbortSignal } from 'node:stream';
import { httpClient, httpsClient } from '../../base/http-client.ts';
import { trustingAgent } from './trusting-agent.ts';

const MAX_BODY = 512 * 1024;
const MAX_HEAD = 16 * 1024;
/** A status of no content may have no body (Fetch, 2.2.3). */
const NO_CONTENT = new Set([204, 205, 304]);

export interface ProviderFetchOptions {
  /** Milliseconds from asking to the last byte. */
  readonly timeout: number;
  /** PEM text of the authorities to trust; undefined: the system's and Node's own. */
  readonly ca: string | undefined;
}

type FieldsInit = ConstructorParameters<typeof Headers>[0];

/** The part of `fetch` that the libraries use. */
export interface ProviderRequest {
  readonly method?: string;
  readonly headers?: FieldsInit;
  readonly body?: unknown;
}

export type ProviderFetch = (url: string, request: ProviderRequest) => Promise<Response>;

/**
 * `fetch` for a provider that may be slow, endless or somebody else: bounded in time and size, with authorities of its
 * own, and without redirects, which would carry codes and secrets elsewhere.
 */
export function providerFetch({ timeout, ca }: ProviderFetchOptions): ProviderFetch {
  let agent: Agent | null = null;
  return async (url, { method = 'GET', headers, body }) => {
    const target = new URL(url);
    if (target.protocol === 'https:') agent ??= trustingAgent(ca);
    const options = { method, maxHeaderSize: MAX_HEAD, headers: fieldsOf(headers) };
    const signal = AbortSignal.timeout(timeout);
    const request =
      target.protocol === 'https:'
        ? httpsClient().request(target, { ...options, agent: agent ?? false })
        : httpClient().request(target, { ...options, agent: false });
    // Whoever waits hears of it; what fails once nobody waits any more is of no interest.
    request.on('error', () => undefined);
    return await answerOf(request, bodyText(body), signal);
  };
}

async function answerOf(request: ClientRequest, body: string, signal: AbortSignal): Promise<Response> {
  try {
    request.end(body);
    const [response]: IncomingMessage[] = await once(request, 'response', { signal });
    if (response === undefined) throw new Error('no answer');
    const { statusCode: status = 0 } = response;
    const bytes = await bytesOf(response, signal);
    const fields = Object.entries(response.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    );
    return new Response(NO_CONTENT.has(status) ? null : new Uint8Array(bytes), { status, headers: fields });
  } finally {
    request.destroy();
  }
}

async function bytesOf(response: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of addAbortSignal(signal, response)) {
    size += piece.length;
    if (size > MAX_BODY) throw new Error(`answers with more than ${MAX_BODY} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function fieldsOf(headers: FieldsInit): Record<string, string> {
  return { ...Object.fromEntries(new Headers(headers)), 'accept-encoding': 'identity', 'user-agent': 'sluice' };
}

function bodyText(body: unknown): string {
  return typeof body === 'string' ? body : body instanceof URLSearchParams ? body.toString() : '';
}
