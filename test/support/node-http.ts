import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';

/** A request as Node's own parser (llhttp) understood it. */
export interface NodeRequest {
  readonly method: string;
  readonly target: string;
  /** Name and value in turns, as received. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}
export interface NodeVerdict {
  /** Complete requests before the end or the error. */
  readonly requests: readonly NodeRequest[];
  /** llhttp's code (`HPE_…`) when it refused something, else null. */
  readonly error: string | null;
}

/** Node's HTTP server at its strictest, as an oracle: what does it make of these bytes? */
export interface NodeOracle {
  /** Latin1 text of everything that a client sends before it ends. */
  judge(bytes: string): Promise<NodeVerdict>;
  close(): Promise<void>;
}

export async function startNodeOracle(maxHeaderSize = 131_072): Promise<NodeOracle> {
  const verdicts = new Map<number, { requests: NodeRequest[]; error: string | null }>();
  const server = createServer({ insecureHTTPParser: false, maxHeaderSize, requireHostHeader: true });
  server.maxHeadersCount = 0;
  const take = (request: IncomingMessage): void => {
    const verdict = verdicts.get(request.socket.remotePort ?? 0);
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      verdict?.requests.push({
        method: request.method ?? '',
        target: request.url ?? '',
        fields: request.rawHeaders,
        body: Buffer.concat(pieces).latin1Slice(),
        trailers: request.rawTrailers,
      });
    });
  };
  server.on('request', (request, response) => {
    take(request);
    request.on('end', () => response.end());
  });
  // Node has opinions on Expect beside its parser's: only the parser is asked.
  for (const event of ['checkContinue', 'checkExpectation'] as const) {
    server.on(event, (request, response) => {
      take(request);
      request.on('end', () => response.end());
    });
  }
  server.on('connect', (request, socket) => {
    take(request);
    request.resume();
    socket.end();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const verdict = verdicts.get((socket as unknown as { remotePort?: number }).remotePort ?? 0);
    if (verdict !== undefined) verdict.error ??= error.code ?? error.message;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    async judge(bytes) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      await once(socket, 'connect');
      const verdict = { requests: [] as NodeRequest[], error: null as string | null };
      const local = socket.localPort ?? 0;
      verdicts.set(local, verdict);
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(bytes, 'latin1');
      await new Promise((resolve) => socket.once('close', resolve));
      verdicts.delete(local);
      return verdict;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A response as Node's own parser (llhttp) understood it. */
export interface NodeResponse {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly informational: readonly number[];
  /** Node's code when it refused or missed something, else null. */
  readonly error: string | null;
}

/** Node's HTTP client as an oracle for what a server sends before it ends. */
export async function readAsNodeClient(bytes: string, method: string): Promise<NodeResponse> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(bytes, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      const informational: number[] = [];
      const nothing = { status: 0, fields: [], body: '', trailers: [], informational };
      const request = httpRequest({ port, host: '127.0.0.1', method, agent: false, maxHeaderSize: 131_072 });
      request.on('information', ({ statusCode }) => informational.push(statusCode));
      request.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ ...nothing, error: error.code ?? error.message }),
      );
      request.on('response', (response) => {
        const pieces: Buffer[] = [];
        let error: string | null = null;
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', (problem: NodeJS.ErrnoException) => {
          error = problem.code ?? problem.message;
        });
        response.on('close', () => {
          const body = Buffer.concat(pieces).latin1Slice();
          const { statusCode = 0, rawHeaders: fields, rawTrailers: trailers } = response;
          resolve({ status: statusCode, fields, body, trailers, informational, error });
        });
      });
      request.end();
    });
  } finally {
    server.close();
  }
}
