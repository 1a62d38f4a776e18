import { once } from 'node:events';
import { type Agent, type IncomingMessage, request } from 'node:http';

export interface PlainInit {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export interface PlainResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  text(): Promise<string>;
}

/** As much of `fetch` as a test of caches may have: no redirects followed, no cache, no field that nobody asked for. */
export async function plainFetch(url: string, init: PlainInit | undefined, agent: Agent): Promise<PlainResponse> {
  const call = request(url, { method: init?.method ?? 'GET', agent });
  const values = new Map<string, string[]>();
  for (const [name, value] of init?.headers ?? []) {
    const lower = name.toLowerCase();
    values.set(lower, [...(values.get(lower) ?? []), value]);
  }
  for (const [name, list] of values) call.setHeader(name, list);
  // Node leaves a DELETE with a body without its length.
  if (init?.body !== undefined) call.setHeader('content-length', Buffer.byteLength(init.body));
  call.end(init?.body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const headers = new Headers();
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    headers.append(response.rawHeaders[i] as string, response.rawHeaders[i + 1] as string);
  }
  const chunks = await response.toArray();
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    headers,
    text: async () => Buffer.concat(chunks).toString(),
  };
}
