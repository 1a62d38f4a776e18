import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

/**
 * Node's HTTP server and client at their strictest, as oracles: what do they make of these bytes? Over Unix sockets,
 * since a long run would use up the machine's ports.
 */

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
/** A response likewise. */
export interface NodeResponse {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly informational: readonly number[];
  readonly error: string | null;
}

export interface NodeOracle {
  /** Latin1 text of everything that a client sends before it ends. */
  requests(bytes: string): Promise<NodeVerdict>;
  /** Latin1 text of everything that a server sends to a request of that method before it ends. */
  response(bytes: string, method: string): Promise<NodeResponse>;
  close(): void;
}

const MAX_HEAD = 131_072;

export async function startNodeOracle(): Promise<NodeOracle> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-oracle-'));
  const reader = await listen(createReader(), join(directory, 'reader'));
  let answer = '';
  const speaker = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer, 'latin1'));
  });
  await listen(speaker, join(directory, 'speaker'));
  return {
    async requests(bytes) {
      const verdict: Verdict = { requests: [], error: null };
      expected.push(verdict);
      const socket = connect({ path: join(directory, 'reader'), allowHalfOpen: true });
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(bytes, 'latin1');
      await new Promise((resolve) => socket.once('close', resolve));
      return verdict;
    },
    response(bytes, method) {
      answer = bytes;
      return readResponse(join(directory, 'speaker'), method);
    },
    close() {
      reader.close();
      speaker.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Verdict {
  readonly requests: NodeRequest[];
  error: string | null;
}
/** Connections are accepted in the order in which they were made. */
const expected: Verdict[] = [];
const verdicts = new WeakMap<Duplex, Verdict>();

function createReader(): Server {
  const server = createServer({ insecureHTTPParser: false, maxHeaderSize: MAX_HEAD, requireHostHeader: true });
  server.maxHeadersCount = 0;
  server.on('connection', (socket: Socket) => {
    const verdict = expected.shift();
    if (verdict !== undefined) verdicts.set(socket, verdict);
  });
  // Node has opinions on Expect beside its parser's: only the parser is asked.
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      record(request);
      request.on('end', () => response.end());
    });
  }
  server.on('connect', (request, socket) => {
    record(request);
    request.resume();
    socket.end();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const verdict = verdicts.get(socket);
    if (verdict !== undefined) verdict.error ??= error.code ?? error.message;
    socket.destroy();
  });
  return server;
}

function record(request: IncomingMessage): void {
  const verdict = verdicts.get(request.socket);
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
}

function readResponse(socketPath: string, method: string): Promise<NodeResponse> {
  return new Promise((resolve) => {
    const informational: number[] = [];
    const nothing = { status: 0, fields: [], body: '', trailers: [], informational };
    const request = httpRequest({ socketPath, method, agent: false, maxHeaderSize: MAX_HEAD });
    request.on('information', ({ statusCode }) => informational.push(statusCode));
    request.on('error', (error: NodeJS.ErrnoException) => resolve({ ...nothing, error: error.code ?? error.message }));
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
}

async function listen(server: Server, path: string): Promise<Server> {
  server.listen(path);
  await once(server, 'listening');
  return server;
}
