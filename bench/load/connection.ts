import { connect, type Socket } from 'node:net';

/**
 * One kept-alive HTTP/1.1 connection that has at most one GET under way. It reads only as much of an answer as it takes
 * to know its end, and only answers with a Content-Length: it runs beside what it measures and has to be cheap.
 */
export class Connection {
  private readonly socket: Socket;
  private head = '';
  private status = 0;
  private bodyLeft = -1;
  private startedAt = 0;
  private busy = false;
  private gone = false;

  /** The answer's status and the time since `ask`, in milliseconds. */
  onAnswer: (status: number, milliseconds: number) => void = () => {};
  /** The connection is over; `busy`: it took a request with it. */
  onGone: (busy: boolean) => void = () => {};

  constructor(port: number, onReady: (connection: Connection) => void) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => onReady(this));
    this.socket.on('data', (bytes: Buffer) => this.take(bytes));
    this.socket.on('error', () => this.end());
    this.socket.on('close', () => this.end());
  }

  /** `startedAt` is when the request was due: time spent waiting for a free connection counts. */
  ask(request: string, startedAt: number): void {
    this.busy = true;
    this.startedAt = startedAt;
    this.socket.write(request, 'latin1');
  }

  destroy(): void {
    this.gone = true;
    this.socket.destroy();
  }

  private end(): void {
    if (this.gone) return;
    this.destroy();
    this.onGone(this.busy);
  }

  private take(bytes: Buffer): void {
    let length = bytes.length;
    if (this.bodyLeft < 0) {
      const before = this.head.length;
      this.head += bytes.toString('latin1');
      const end = this.head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const bodyLength = /\r\ncontent-length: *(\d+)/i.exec(this.head.slice(0, end + 2));
      if (!bodyLength) {
        this.end();
        return;
      }
      this.status = Number(this.head.slice(9, 12));
      this.bodyLeft = Number(bodyLength[1]);
      length -= end + 4 - before;
    }
    this.bodyLeft -= length;
    if (this.bodyLeft > 0) return;
    const { status, startedAt } = this;
    this.head = '';
    this.bodyLeft = -1;
    this.busy = false;
    this.onAnswer(status, performance.now() - startedAt);
  }
}
