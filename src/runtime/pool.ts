import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { wheel } from '../base/timers.ts';
import type { Dispatch, Sink, UpstreamCall } from '../plan/call.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import { isIdempotent } from '../semantics/idempotent.ts';
import { ConnectAttempt, UpstreamSecurity } from './connect.ts';
import { Affinity } from './endpoint-affinity.ts';
import { EndpointLedger } from './endpoint-ledger.ts';
import { EndpointSet } from './endpoint-set.ts';
import type { HeadLimits } from './http1/message-head.ts';
import { type ConnectionPool, UpstreamConnection } from './http1/upstream-connection.ts';
import { openTransport } from './open-transport.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';
import type { PoolPorts, UpstreamMeter } from './pool-ports.ts';
import { WaitingCall, type WaitingCallOwner } from './waiting-call.ts';

const MAX_RESPONSE_FIELDS = 200;

/** Connections of one worker to one upstream: kept alive, bounded in number, use and age; a short line when all are busy. */
export class UpstreamPool implements Upstream, ConnectionPool, WaitingCallOwner {
  readonly options: UpstreamOptions;
  readonly headLimits: HeadLimits;
  readonly dispatch: Dispatch;
  readonly #meter: UpstreamMeter;
  readonly #endpoints: EndpointSet;
  readonly #ledger: EndpointLedger;
  readonly #affinity: Affinity | null;
  #security: UpstreamSecurity | null = null;
  #line: WaitingCall[] = [];
  #closed = false;

  /** `ports`: null for a plain pool, whose endpoints never change and are asked in turn. */
  constructor(options: UpstreamOptions, meter: UpstreamMeter, ports: PoolPorts | null = null) {
    this.options = options;
    this.headLimits = { maxHead: options.maxHead, maxTarget: 0, maxFields: MAX_RESPONSE_FIELDS };
    this.#meter = meter;
    this.#endpoints = new EndpointSet(options, ports, (place) => this.#drain(place));
    this.#ledger = new EndpointLedger(options, this.#endpoints, ports);
    const { affinity, name } = options;
    if (affinity !== null && ports === null) throw new Error(`the pool of ${name} needs its ports`);
    this.#affinity =
      affinity === null || ports === null ? null : new Affinity(affinity, name, this.#endpoints, ports.secret);
    if (options.endpoints.some(({ tls }) => tls)) this.#security = new UpstreamSecurity(options);
    this.dispatch = (call, sink) => {
      this.#meter.callStarted(options.series);
      if (this.#affinity === null || call.exchange === null) {
        this.#place(call, sink, null);
      } else {
        const bound = this.#affinity.bind(call, sink);
        this.#place(call, bound, bound.bound);
      }
    };
  }

  #place(call: UpstreamCall, sink: Sink, bound: PoolEndpoint | null): void {
    const place = this.#endpoints.choose(call, bound);
    if (place === null) {
      this.#waitInLine(new WaitingCall(call, sink, this));
      return;
    }
    this.#ledger.enter(place, call);
    const connection = this.#takeIdle(place);
    if (connection !== null) {
      connection.send(call, sink);
    } else if (place.connections < this.options.maxConnections) {
      this.#open(place, new WaitingCall(call, sink, this));
    } else {
      // What was idle there has just been closed, and counts until it is gone.
      this.#ledger.withdraw(place, call);
      this.#waitInLine(new WaitingCall(call, sink, this));
    }
  }

  /** No endpoint takes the call: they are all full, or there is none. */
  #waitInLine(waiting: WaitingCall): void {
    if (this.#endpoints.isEmpty) {
      this.#refuse(waiting, errors.upstreamUnavailable);
      return;
    }
    if (waiting.call.guard !== null && this.#endpoints.hasRoom) {
      this.#refuse(waiting, errors.circuitOpen);
      return;
    }
    this.#line = this.#line.filter(({ over }) => !over);
    if (this.#line.length >= this.options.maxPending) {
      this.#refuse(waiting, errors.upstreamBusy);
      return;
    }
    this.#line.push(waiting);
    waiting.start(this.options.pendingTimeout);
  }

  #takeIdle(place: PoolEndpoint): UpstreamConnection | null {
    const { idle } = place;
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (!connection.usable) continue;
      if (wheel.now - connection.openedAt < this.options.maxConnectionAge) return connection;
      connection.transport.destroy();
    }
    return null;
  }

  /** The call has entered there before. */
  #open(place: PoolEndpoint, waiting: WaitingCall): void {
    waiting.place = place;
    waiting.since = performance.now();
    place.opening.add(waiting);
    place.connecting();
    const { endpoint } = place;
    if (endpoint.tls) this.#security ??= new UpstreamSecurity(this.options);
    new ConnectAttempt(endpoint, this.options, this.#security, waiting.call.exchange, {
      connected: (socket, address) => this.#connected(place, socket, address, waiting),
      failed: (error) => this.#connectFailed(place, waiting, error),
    });
  }

  #connected(place: PoolEndpoint, socket: Socket, address: string, waiting: WaitingCall): void {
    this.#meter.upstreamConnectionOpened(this.options.series);
    place.opening.delete(waiting);
    place.connected();
    const connection = new UpstreamConnection(place, address, this, (owner) => openTransport(socket, owner));
    if (waiting.place === place && waiting.take()) {
      connection.send(waiting.call, waiting.sink);
      return;
    }
    // A PROXY header names one client: nobody else may use this connection.
    if (this.options.proxyProtocol !== 0) connection.transport.destroy();
    else this.release(connection);
  }

  /** Nothing was sent, so any other endpoint may try; the body has not begun. */
  #connectFailed(place: PoolEndpoint, waiting: WaitingCall, error: GatewayError): void {
    this.#meter.upstreamError(this.options.series, error);
    place.opening.delete(waiting);
    place.connectFailed();
    const milliseconds = performance.now() - waiting.since;
    if (waiting.over || waiting.place !== place) {
      this.#ledger.unreachable(place, error, milliseconds);
    } else {
      this.#ledger.settle(place, waiting.call, 0, error, milliseconds);
      waiting.place = null;
      waiting.tried ??= [];
      waiting.tried.push(place);
      this.#placeElsewhere(waiting, error);
    }
    this.#openForLine(place);
  }

  #placeElsewhere(waiting: WaitingCall, error: GatewayError): void {
    const { call } = waiting;
    const place = this.#endpoints.elsewhere(call, waiting.tried ?? []);
    if (place === null) {
      this.#refuse(waiting, error);
      return;
    }
    this.#ledger.enter(place, call);
    const connection = this.#takeIdle(place);
    if (connection === null) this.#open(place, waiting);
    else if (waiting.take()) connection.send(call, waiting.sink);
  }

  /** An endpoint is none any more: connections end with their calls, and who waits for one goes elsewhere. */
  #drain(place: PoolEndpoint): void {
    for (const connection of place.idle.splice(0)) connection.transport.destroy();
    for (const waiting of place.opening) {
      if (waiting.over || waiting.place !== place) continue;
      waiting.place = null;
      this.#ledger.withdraw(place, waiting.call);
      this.#placeElsewhere(waiting, errors.upstreamUnavailable);
    }
    place.retire();
  }

  waitedTooLong(waiting: WaitingCall): void {
    this.#refuse(waiting, errors.upstreamBusy);
  }

  waitedInVain({ call, place, since }: WaitingCall): void {
    this.#meter.callEnded(this.options.series, -1);
    if (place !== null) this.#ledger.settle(place, call, 0, null, performance.now() - since);
  }

  /** No connection is to be had. It is at no endpoint. */
  #refuse(waiting: WaitingCall, error: GatewayError): void {
    if (!waiting.take()) return;
    if (error === errors.upstreamBusy || error === errors.upstreamUnavailable) {
      this.#meter.upstreamError(this.options.series, error);
    }
    this.#meter.callEnded(this.options.series, -1);
    waiting.sink.fail(error);
  }

  release(connection: UpstreamConnection): void {
    const { place } = connection;
    if (this.#endpoints.isStale) this.#endpoints.look();
    const waiting = place.isOpen ? this.#nextFor(place) : null;
    if (waiting?.take()) {
      connection.send(waiting.call, waiting.sink);
    } else if (this.#closed || place.isLeaving) {
      connection.transport.destroy();
    } else {
      place.idle.push(connection);
      connection.start(this.options.keepAliveTimeout);
    }
  }

  closed(connection: UpstreamConnection): void {
    const { place } = connection;
    this.#meter.upstreamConnectionClosed(this.options.series);
    const at = place.idle.indexOf(connection);
    if (at >= 0) place.idle.splice(at, 1);
    place.disconnected();
    this.#openForLine(place);
  }

  /** There is room for connections again: for whoever waits. */
  #openForLine(place: PoolEndpoint): void {
    while (place.isOpen && place.connections < this.options.maxConnections) {
      const waiting = this.#nextFor(place);
      if (waiting === null) return;
      waiting.clear();
      this.#open(place, waiting);
    }
  }

  /** Whose turn it is, and who may go there: it has entered. */
  #nextFor(place: PoolEndpoint): WaitingCall | null {
    const line = this.#line;
    for (let i = 0; i < line.length; i++) {
      const waiting = line[i] as WaitingCall;
      if (waiting.over) {
        line.splice(i--, 1);
      } else if (waiting.call.guard === null || waiting.call.guard.admits(place.endpoint)) {
        line.splice(i, 1);
        this.#ledger.enter(place, waiting.call);
        return waiting;
      }
    }
    return null;
  }

  /**
   * The race of every pool: the endpoint closed a kept connection just when it was used. A call that may be repeated goes
   * out once more, on a fresh connection; one that may not is never sent twice (RFC 9110, 9.2.2; RFC 9112, 9.3.1).
   */
  failedUnanswered(connection: UpstreamConnection, call: UpstreamCall, sink: Sink, error: GatewayError): void {
    const replayable = call.body === null || !call.body.started || call.body.replayable;
    const again = error.retry === 'if-reused' && connection.served > 1 && replayable && isIdempotent(call.method);
    if (!again || this.#closed) {
      sink.fail(error);
      return;
    }
    this.#meter.callRetried(this.options.series);
    this.#meter.callStarted(this.options.series);
    const waiting = new WaitingCall(call, sink, this);
    const { place } = connection;
    if (!place.isOpen || (call.guard !== null && !call.guard.admits(place.endpoint))) {
      waiting.tried = [place];
      this.#placeElsewhere(waiting, error);
      return;
    }
    this.#ledger.enter(place, call);
    this.#open(place, waiting);
  }

  callEnded(
    connection: UpstreamConnection,
    call: UpstreamCall,
    headMilliseconds: number,
    error: GatewayError | null,
  ): void {
    const { place, status, judged } = connection;
    this.#meter.callEnded(this.options.series, headMilliseconds);
    if (error !== null && error.from === 'upstream') this.#meter.upstreamError(this.options.series, error);
    if (place.record === null && call.guard === null) return;
    // A kept connection that was closed meanwhile says nothing about the endpoint.
    const isRace = error !== null && error.retry === 'if-reused' && connection.served > 1 && !connection.answered;
    const milliseconds = headMilliseconds < 0 ? performance.now() - connection.startedAt : headMilliseconds;
    if (judged) this.#ledger.streamEnded(place, error);
    else this.#ledger.settle(place, call, status, isRace ? null : error, milliseconds);
  }

  outlasted(connection: UpstreamConnection, call: UpstreamCall, headMilliseconds: number): void {
    const { place, status } = connection;
    if (place.record === null && call.guard === null) return;
    connection.judged = true;
    this.#ledger.judge(place, call, status, headMilliseconds);
  }

  /** No new calls come; idle connections end, the others with their call. */
  close(): void {
    this.#closed = true;
    for (const { idle } of this.#endpoints.all) for (const connection of idle.splice(0)) connection.transport.destroy();
    this.#endpoints.close();
  }
}
