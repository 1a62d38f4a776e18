import type { Socket } from 'node:net';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { CallRunner, Dispatch, Sink, UpstreamCall } from '../plan/call.ts';
import type { Endpoint, Upstream, UpstreamOptions } from '../plan/upstream.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import { type Balancer, balancerFor } from './balance.ts';
import { ConnectAttempt, UpstreamSecurity } from './connect.ts';
import type { HeadLimits } from './http1/message-head.ts';
import { type ConnectionPool, UpstreamConnection } from './http1/upstream-connection.ts';
import { openTransport } from './open-transport.ts';
import { Deadline, wheel } from '../base/timers.ts';

/** RFC 9110, 9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const MAX_RESPONSE_FIELDS = 200;

interface EndpointState {
  readonly endpoint: Endpoint;
  /** Most recently used last: the others may age out. */
  readonly idle: UpstreamConnection[];
  /** Open and opening. */
  connections: number;
}

/** A call that waits: for a connection of its own to open, or for its turn when all are in use. */
class WaitingCall extends Deadline implements CallRunner {
  readonly call: UpstreamCall;
  readonly sink: Sink;
  /** Endpoints, by index, that refused this call a connection. */
  readonly tried: Set<number> = new Set();
  readonly #pool: UpstreamPool;
  over = false;

  constructor(call: UpstreamCall, sink: Sink, pool: UpstreamPool) {
    super();
    this.call = call;
    this.sink = sink;
    this.#pool = pool;
    call.runner = this;
  }

  /** False: somebody ended it meanwhile. */
  take(): boolean {
    if (this.over) return false;
    this.over = true;
    this.clear();
    this.call.runner = null;
    return true;
  }

  resumeCall(): void {}

  cancelCall(): void {
    if (this.take()) this.#pool.callEnded(this.call, -1, null);
  }

  expired(): void {
    this.#pool.refuse(this, errors.upstreamBusy);
  }
}

/** What a pool counts with. */
export type UpstreamMeter = Pick<
  WorkerCell,
  | 'callStarted'
  | 'callEnded'
  | 'callRetried'
  | 'upstreamError'
  | 'upstreamConnectionOpened'
  | 'upstreamConnectionClosed'
>;

/** Connections of one worker to one upstream: kept alive, bounded in number, use and age; a short line when all are busy. */
export class UpstreamPool implements Upstream, ConnectionPool {
  readonly options: UpstreamOptions;
  readonly headLimits: HeadLimits;
  readonly dispatch: Dispatch;
  readonly #meter: UpstreamMeter;
  readonly #states: readonly EndpointState[];
  readonly #balancer: Balancer;
  readonly #security: UpstreamSecurity | null;
  #line: WaitingCall[] = [];
  #closed = false;

  constructor(options: UpstreamOptions, meter: UpstreamMeter) {
    this.options = options;
    this.headLimits = { maxHead: options.maxHead, maxTarget: 0, maxFields: MAX_RESPONSE_FIELDS };
    this.#meter = meter;
    this.#states = options.endpoints.map((endpoint) => ({ endpoint, idle: [], connections: 0 }));
    this.#balancer = balancerFor(options.endpoints);
    this.#security = options.endpoints.some(({ tls }) => tls) ? new UpstreamSecurity(options) : null;
    this.dispatch = (call, sink) => {
      this.#meter.callStarted(options.series);
      this.#place(call, sink);
    };
  }

  #place(call: UpstreamCall, sink: Sink): void {
    const index = this.#balancer.next();
    const state = this.#states[index] as EndpointState;
    const connection = this.#takeIdle(state);
    if (connection !== null) {
      connection.send(call, sink);
      return;
    }
    const waiting = new WaitingCall(call, sink, this);
    if (state.connections < this.options.maxConnections) this.#open(index, waiting);
    else this.#placeElsewhere(waiting, index);
  }

  /** The chosen endpoint is full: any other with room, else the line. */
  #placeElsewhere(waiting: WaitingCall, full: number): void {
    for (let i = 0; i < this.#states.length; i++) {
      if (i === full) continue;
      const state = this.#states[i] as EndpointState;
      const connection = this.#takeIdle(state);
      if (connection !== null) {
        if (waiting.take()) connection.send(waiting.call, waiting.sink);
        return;
      }
      if (state.connections < this.options.maxConnections) {
        this.#open(i, waiting);
        return;
      }
    }
    this.#line = this.#line.filter(({ over }) => !over);
    if (this.#line.length >= this.options.maxPending) {
      this.refuse(waiting, errors.upstreamBusy);
      return;
    }
    this.#line.push(waiting);
    waiting.start(this.options.pendingTimeout);
  }

  #takeIdle(state: EndpointState): UpstreamConnection | null {
    const { idle } = state;
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (!connection.usable) continue;
      if (wheel.now - connection.openedAt < this.options.maxConnectionAge) return connection;
      connection.transport.destroy();
    }
    return null;
  }

  #open(index: number, waiting: WaitingCall): void {
    const state = this.#states[index] as EndpointState;
    state.connections++;
    new ConnectAttempt(state.endpoint, this.options, this.#security, waiting.call.exchange, {
      connected: (socket, address) => this.#connected(state, socket, address, waiting),
      failed: (error) => {
        state.connections--;
        this.#meter.upstreamError(this.options.series, error);
        this.#connectFailed(index, waiting, error);
        this.#openForLine(state, index);
      },
    });
  }

  #connected(state: EndpointState, socket: Socket, address: string, waiting: WaitingCall): void {
    this.#meter.upstreamConnectionOpened(this.options.series);
    const connection = new UpstreamConnection(state.endpoint, address, this, (owner) => openTransport(socket, owner));
    if (waiting.take()) {
      connection.send(waiting.call, waiting.sink);
      return;
    }
    // A PROXY header names one client: nobody else may use this connection.
    if (this.options.proxyProtocol !== 0) connection.transport.destroy();
    else this.release(connection);
  }

  /** Nothing was sent, so any other endpoint may try; the body has not begun. */
  #connectFailed(index: number, waiting: WaitingCall, error: GatewayError): void {
    if (waiting.over) return;
    waiting.tried.add(index);
    for (let i = 1; i < this.#states.length; i++) {
      const other = (index + i) % this.#states.length;
      const state = this.#states[other] as EndpointState;
      if (waiting.tried.has(other)) continue;
      const connection = this.#takeIdle(state);
      if (connection !== null) {
        if (waiting.take()) connection.send(waiting.call, waiting.sink);
        return;
      }
      if (state.connections >= this.options.maxConnections) continue;
      this.#open(other, waiting);
      return;
    }
    this.refuse(waiting, error);
  }

  /** For `WaitingCall`: no connection is to be had. */
  refuse(waiting: WaitingCall, error: GatewayError): void {
    if (!waiting.take()) return;
    if (error === errors.upstreamBusy) this.#meter.upstreamError(this.options.series, error);
    this.#meter.callEnded(this.options.series, -1);
    waiting.sink.fail(error);
  }

  release(connection: UpstreamConnection): void {
    while (this.#line.length > 0) {
      const waiting = this.#line.shift() as WaitingCall;
      if (!waiting.take()) continue;
      connection.send(waiting.call, waiting.sink);
      return;
    }
    if (this.#closed) {
      connection.transport.destroy();
      return;
    }
    this.#stateOf(connection).idle.push(connection);
    connection.start(this.options.keepAliveTimeout);
  }

  closed(connection: UpstreamConnection): void {
    const state = this.#stateOf(connection);
    state.connections--;
    this.#meter.upstreamConnectionClosed(this.options.series);
    const at = state.idle.indexOf(connection);
    if (at >= 0) state.idle.splice(at, 1);
    this.#openForLine(state, this.#states.indexOf(state));
  }

  /** There is room for connections again: for whoever waits. */
  #openForLine(state: EndpointState, index: number): void {
    while (this.#line.length > 0 && state.connections < this.options.maxConnections) {
      const waiting = this.#line.shift() as WaitingCall;
      if (waiting.over) continue;
      waiting.clear();
      this.#open(index, waiting);
    }
  }

  /**
   * The race of every pool: the endpoint closed a kept connection just when it was used. A call that may be repeated goes
   * out once more, on a fresh connection; one that may not is never sent twice (RFC 9110, 9.2.2; RFC 9112, 9.3.1).
   */
  failedUnanswered(connection: UpstreamConnection, call: UpstreamCall, sink: Sink, error: GatewayError): void {
    const replayable = call.body === null || !call.body.started || call.body.replayable;
    const again = error.retry === 'if-reused' && connection.served > 1 && replayable && idempotent.has(call.method);
    if (!again || this.#closed) {
      sink.fail(error);
      return;
    }
    this.#meter.callRetried(this.options.series);
    this.#meter.callStarted(this.options.series);
    const index = this.#states.indexOf(this.#stateOf(connection));
    this.#open(index, new WaitingCall(call, sink, this));
  }

  callEnded(_call: UpstreamCall, headMilliseconds: number, error: GatewayError | null): void {
    this.#meter.callEnded(this.options.series, headMilliseconds);
    if (error !== null && error.from === 'upstream') this.#meter.upstreamError(this.options.series, error);
  }

  /** No new calls come; idle connections end, the others with their call. */
  close(): void {
    this.#closed = true;
    for (const { idle } of this.#states) for (const connection of idle.splice(0)) connection.transport.destroy();
  }

  #stateOf(connection: UpstreamConnection): EndpointState {
    return this.#states.find(({ endpoint }) => endpoint === connection.endpoint) as EndpointState;
  }
}
