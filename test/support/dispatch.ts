import type { GatewayError } from '../../src/base/gateway-error.ts';
import { HeaderBlock } from '../../src/base/headers.ts';
import {
  type BodySink,
  type BodySource,
  Chunk,
  type Dispatch,
  ResponseHead,
  type Sink,
  type Tunnel,
  UpstreamCall,
} from '../../src/plan/call.ts';
import type { Exchange } from '../../src/plan/exchange.ts';
import { exchangeOf } from './exchange.ts';

/** Dispatch layers without a connection: what a caller is told, and targets that answer as a test says. */

/** Whoever waits for an answer. */
export class TestSink implements Sink {
  readonly takesFramed = false;
  status = 0;
  headers: Record<string, string> = {};
  body = '';
  ended = false;
  error: GatewayError | null = null;
  tunnel: Tunnel | null = null;
  /** Heads and endings, to see that there is one of each. */
  readonly events: string[] = [];
  /** False: it has enough for now. */
  takes = true;

  informational({ status }: ResponseHead): void {
    this.events.push(String(status));
  }

  head({ status, headers }: ResponseHead): void {
    this.events.push(`head ${status}`);
    this.status = status;
    headers.forEach((name, value) => {
      this.headers[name] = value;
    });
  }

  data(chunk: Chunk): boolean {
    this.body += chunk.bytes.toString('utf8', chunk.start, chunk.end);
    return this.takes;
  }

  end(): void {
    this.events.push('end');
    this.ended = true;
  }

  upgrade({ status }: ResponseHead, tunnel: Tunnel): void {
    this.events.push(`upgrade ${status}`);
    this.tunnel = tunnel;
  }

  fail(error: GatewayError): void {
    this.events.push(error.code);
    this.error = error;
  }
}

export interface CallFacts {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Iterable<readonly [string, string]>;
  readonly body?: BodySource | null;
  readonly exchange?: Exchange | null;
}

export function callOf(facts: CallFacts = {}): UpstreamCall {
  const { method = 'GET', target = '/v1/orders/7', body = null } = facts;
  const exchange = facts.exchange === undefined ? exchangeOf({ method, target }) : facts.exchange;
  const headers = facts.headers === undefined ? exchange?.headers : HeaderBlock.of(facts.headers);
  const call = new UpstreamCall(method, target, 'shop.example', headers ?? new HeaderBlock(), body, exchange);
  if (exchange !== null) exchange.call = call;
  return call;
}

/** A target that a test answers for, call by call. */
export class TestTarget {
  readonly calls: { readonly call: UpstreamCall; readonly sink: Sink; isCancelled: boolean; resumed: number }[] = [];

  readonly dispatch: Dispatch = (call, sink) => {
    const taken = { call, sink, isCancelled: false, resumed: 0 };
    this.calls.push(taken);
    call.runner = {
      resumeCall: () => {
        taken.resumed++;
      },
      cancelCall: () => {
        taken.isCancelled = true;
        call.runner = null;
      },
    };
    if (call.exchange !== null) call.exchange.attempts++;
    call.body?.start({ takesFramed: false, passesContinue: false, data: () => true, end: ignore, abort: ignore });
  };

  get last() {
    const last = this.calls.at(-1);
    if (last === undefined) throw new Error('nobody has called');
    return last;
  }
}

/** A target that answers at once. */
export function answering(status: number, body = '', fields: Iterable<readonly [string, string]> = []): Dispatch {
  return (_call, sink) => {
    sink.head(new ResponseHead(status, HeaderBlock.of(fields), 'length', Buffer.byteLength(body)));
    if (body !== '') sink.data(Chunk.whole(Buffer.from(body), true));
    sink.end(null);
  };
}

export function failing(error: GatewayError): Dispatch {
  return (_call, sink) => sink.fail(error);
}

/** A request body that a test sends piece by piece. */
export class TestBody implements BodySource {
  readonly size: number;
  readonly replayable: boolean;
  started = false;
  isCancelled = false;
  sink: BodySink | null = null;

  constructor(size = -1, replayable = false) {
    this.size = size;
    this.replayable = replayable;
  }

  start(sink: BodySink): void {
    this.started = true;
    this.sink = sink;
  }

  send(text: string): void {
    this.sink?.data(Chunk.whole(Buffer.from(text), false));
  }

  end(): void {
    this.sink?.end(null);
  }

  resume(): void {}

  cancel(): void {
    this.isCancelled = true;
  }
}

export function headOf(status: number, fields: Iterable<readonly [string, string]> = []): ResponseHead {
  return new ResponseHead(status, HeaderBlock.of(fields), 'chunked', -1);
}

export function chunkOf(text: string): Chunk {
  return Chunk.whole(Buffer.from(text), false);
}

function ignore(): void {}
