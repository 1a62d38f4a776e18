import { createServer, type Socket } from 'node:net';

/**
 * A service that does so many things at once, each in its time; what comes beyond that waits inside it. A program of its
 * own, to be pinned; prints one line with its port, and on SIGTERM one of JSON with what it has seen.
 */
export interface SlotsOptions {
  slots: number;
  milliseconds: number;
}

export interface SlotsResult {
  done: number;
  /** The most that was asked for at once. */
  most: number;
}

interface Work {
  socket: Socket;
  /** When it is done, on the clock of `performance.now()`. */
  endsAt: number;
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ndone';
const { slots, milliseconds } = JSON.parse(process.argv[2] ?? '') as SlotsOptions;
const result: SlotsResult = { done: 0, most: 0 };
/** In the order in which they end: all take the same time. */
const underWay: Work[] = [];
const waiting: Socket[] = [];

function begin(socket: Socket, now: number): void {
  underWay.push({ socket, endsAt: now + milliseconds });
}

function arrived(socket: Socket): void {
  result.most = Math.max(result.most, underWay.length + waiting.length + 1);
  if (underWay.length < slots) begin(socket, performance.now());
  else waiting.push(socket);
}

/** What was due earlier than this look at the clock lets the next begin when it was due: a timer's grain costs no capacity. */
function look(): void {
  const now = performance.now();
  for (let first = underWay[0]; first !== undefined && first.endsAt <= now; first = underWay[0]) {
    underWay.shift();
    result.done++;
    if (!first.socket.destroyed) first.socket.write(ANSWER, 'latin1');
    const next = waiting.shift();
    if (next !== undefined) begin(next, first.endsAt);
  }
}

setInterval(look, 1);
const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      text = text.slice(end + 4);
      arrived(socket);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' && address !== null ? address.port : 0);
});
process.once('SIGTERM', () => {
  console.log(JSON.stringify(result));
  process.exit(0);
});
