import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { httpClient } from '../../base/http-client.ts';
import type { HttpQuestion, UpstreamWork } from '../../compile/upstream-work.ts';
import type { Endpoint } from '../../plan/upstream.ts';
import { UpstreamSecurity } from '../../runtime/connect.ts';
import { encodeProxyV1, encodeProxyV2 } from '../../semantics/proxy-protocol.ts';

/** Of a response that has to contain something. */
const MAX_BODY = 64 * 1024;
const MAX_HEAD = 16 * 1024;
const NO_CLIENT = { sourceAddress: '', sourcePort: 0, destinationAddress: '', destinationPort: 0 };

/** Asks an endpoint once. Null: it is well; else what is wrong, in words. */
export type Probe = (endpoint: Endpoint, signal: AbortSignal) => Promise<string | null>;

/**
 * Each probe is a connection of its own, opened as those of calls are (TLS, PROXY protocol) and closed afterwards: that an
 * endpoint still takes new connections is part of the question.
 */
export function probeFor(work: UpstreamWork): Probe | null {
  if (work.health === null) return null;
  const { ask } = work.health;
  const security = new UpstreamSecurity(work);
  return async (endpoint, signal) => {
    const opening = new Opening(endpoint, work, security);
    try {
      const socket = await opening.open(signal);
      return ask.kind === 'tcp' ? null : await request(ask, endpoint, socket, signal);
    } catch (error) {
      return wordsFor(error);
    } finally {
      opening.close();
    }
  };
}

class Opening {
  readonly #endpoint: Endpoint;
  readonly #work: UpstreamWork;
  readonly #security: UpstreamSecurity;
  readonly #raw: Socket;
  #secure: Socket | null = null;

  constructor(endpoint: Endpoint, work: UpstreamWork, security: UpstreamSecurity) {
    this.#endpoint = endpoint;
    this.#work = work;
    this.#security = security;
    const { path, address, host, port } = endpoint;
    this.#raw = connect(path !== null ? { path } : { host: address ?? host, port });
    // What goes wrong once nobody waits any more is of no interest.
    this.#raw.on('error', () => undefined);
  }

  async open(signal: AbortSignal): Promise<Socket> {
    await once(this.#raw, 'connect', { signal });
    const { proxyProtocol } = this.#work;
    if (proxyProtocol !== 0) this.#raw.write(proxyProtocol === 1 ? encodeProxyV1(NO_CLIENT) : encodeProxyV2(NO_CLIENT));
    if (!this.#endpoint.tls) return this.#raw;
    const secure = this.#security.connect(this.#endpoint, this.#raw);
    this.#secure = secure;
    secure.on('error', () => undefined);
    await once(secure, 'secureConnect', { signal });
    return secure;
  }

  close(): void {
    this.#secure?.destroy();
    this.#raw.destroy();
  }
}

async function request(
  { method, path, host, headers, statuses, body }: HttpQuestion,
  endpoint: Endpoint,
  socket: Socket,
  signal: AbortSignal,
): Promise<string | null> {
  const sent = httpClient().request({
    createConnection: () => socket,
    method,
    path: endpoint.basePath + path,
    maxHeaderSize: MAX_HEAD,
    setHost: false,
    headers: {
      host: host ?? hostOf(endpoint),
      connection: 'close',
      'user-agent': 'sluice-health',
      'accept-encoding': 'identity',
      ...(method === 'POST' && { 'content-length': '0' }),
      ...Object.fromEntries(headers),
    },
  });
  sent.on('error', () => undefined);
  sent.end();
  const [response] = (await once(sent, 'response', { signal })) as [IncomingMessage];
  const status = response.statusCode ?? 0;
  if (!statuses.some(([from, to]) => status >= from && status <= to)) return `status ${status}`;
  if (body === null) return null;
  return (await beginningOf(response, signal)).includes(body) ? null : 'the response does not contain what it should';
}

async function beginningOf(response: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  const stop = (): void => void response.destroy(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of response) {
      pieces.push(piece);
      size += piece.length;
      if (size >= MAX_BODY) break;
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return Buffer.concat(pieces).subarray(0, MAX_BODY);
}

function hostOf({ host, port, tls, path }: Endpoint): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return path !== null || port === (tls ? 443 : 80) ? name : `${name}:${port}`;
}

function wordsFor(error: unknown): string {
  // One for each address of a name.
  const [first] = error instanceof AggregateError ? error.errors : [error];
  if (!(first instanceof Error)) return String(first);
  return first.name === 'TimeoutError' || first.name === 'AbortError' ? 'no answer in time' : first.message;
}
