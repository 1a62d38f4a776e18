import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { TLSSocket } from 'node:tls';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { type FieldLines, fieldName } from '../base/headers.ts';
import type { LookAlikes } from '../base/look-alikes.ts';
import { Exchange, type Peer, type PeerCertificate } from '../plan/exchange.ts';
import type { ConnectionLimits, Plan, Route } from '../plan/plan.ts';
import { RouteMatch, type RouteTree } from '../plan/route-tree.ts';
import { canonicalAddress } from '../semantics/cidr.ts';
import { clientLines, clientThroughProxies, dropStatements } from '../semantics/forwarded.ts';
import type { ProxiedEndpoints } from '../semantics/proxy-protocol.ts';
import { normalizeTarget, Target } from '../semantics/url.ts';
import { FULL, type GaugeTable } from '../shared-memory/gauges.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import { asksClientsAlike } from './certificates.ts';
import { ConnectionPlaces, NO_PLACE } from './connection-places.ts';
import { Execution, type ExecutionContext } from './execute.ts';
import { LivePlan } from './holder.ts';
import { ClientConnection, type ConnectionHost } from './http1/client-connection.ts';
import type { MessageHead } from './http1/message-head.ts';
import type { RequestBody } from './http1/request-body.ts';
import type { Listener } from './listener.ts';
import { Listeners } from './listeners.ts';
import { openTransport } from './open-transport.ts';

const origin = fieldName('origin');
const requestedMethod = fieldName('access-control-request-method');

/** What the worker shares with its plan: `respond: ready` and keep-alive follow it. */
export interface ServerState {
  draining: boolean;
  ready: boolean;
}

export interface ServerEnv {
  readonly cell: WorkerCell;
  readonly state: ServerState;
  readonly gauges: GaugeTable;
  /** One line for the process log. */
  log(line: string): void;
  readonly ticketKeys: Buffer | null;
  /** Exactly one worker binds Unix sockets: they cannot be shared. */
  readonly ownsUnixSockets: boolean;
}

/** A worker's front: its listeners, its client connections, and the plan that new requests follow. */
export class Server implements ConnectionHost, ExecutionContext {
  readonly cell: WorkerCell;
  readonly #env: ServerEnv;
  readonly #listeners: Listeners;
  readonly #places: ConnectionPlaces;
  readonly #connections = new Set<ClientConnection>();
  readonly #match = new RouteMatch();
  readonly #target = new Target();
  #live: LivePlan | null = null;
  #active = 0;
  /** Exchanges so far. */
  begun = 0;

  constructor(env: ServerEnv) {
    this.#env = env;
    this.cell = env.cell;
    this.#places = new ConnectionPlaces(env.gauges, env.cell);
    this.#listeners = new Listeners(
      env.ticketKeys,
      env.ownsUnixSockets,
      (socket, proxied, certificate, from) => this.#accept(socket, proxied, certificate, from),
      (socket, proxied) => this.#admits(socket, proxied),
    );
  }

  /** Exchanges and tunnels under way. */
  get active(): number {
    return this.#active;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get limits(): ConnectionLimits {
    return this.#plan.limits;
  }

  get identityFields(): LookAlikes | null {
    return this.#plan.identityFields;
  }

  get draining(): boolean {
    return this.#env.state.draining;
  }

  get #plan(): Plan {
    if (this.#live === null) throw new Error('no plan is committed yet');
    return this.#live.plan;
  }

  /** Binds what the plan listens on and this worker does not yet. On failure everything is as it was. */
  prepare(plan: Plan): Promise<void> {
    return this.#listeners.prepare(plan);
  }

  /** Closes what was bound for a plan that will not be committed. */
  abandon(): void {
    this.#listeners.abandon(this.#live?.plan ?? null);
  }

  /** From here on no new request follows the old plan; that one ends with its last exchange. */
  commit(plan: Plan): void {
    const old = this.#live;
    this.#live = new LivePlan(plan);
    this.#listeners.commit(plan);
    const changed = old === null ? none : listenersThatAskOtherwise(old.plan, plan);
    for (const connection of this.#connections) {
      const { peer } = connection;
      peer.trusted = plan.trustedProxies.contains(peer.address);
      if (changed.has(peer.listener)) connection.retire();
    }
    old?.supersede();
  }

  setTicketKeys(keys: Buffer): void {
    this.#listeners.setTicketKeys(keys);
  }

  /** Answers end their connections from here on, and idle ones end now. */
  drain(): void {
    this.#env.state.draining = true;
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  /** Takes what the kernel has queued, then closes the listeners: whatever is left in the queue would be reset. */
  async stopListening(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.#listeners.close();
  }

  destroy(): void {
    this.#listeners.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(
    socket: Socket,
    proxied: ProxiedEndpoints | null,
    certificate: PeerCertificate | null,
    listener: Listener,
  ): void {
    const plan = this.#plan;
    // A socket that is gone already would never tell that it closes.
    if (socket.destroyed || this.#connections.size >= plan.limits.maxConnections) {
      socket.destroy();
      return;
    }
    const canonical = addressOf(socket, proxied);
    const tls = (socket as Partial<TLSSocket>).encrypted === true;
    // One that speaks TLS got its place before its handshake.
    const place = tls ? NO_PLACE : this.#places.take(plan, canonical);
    if (place === FULL) {
      socket.destroy();
      return;
    }
    const peer: Peer = {
      address: canonical,
      port: proxied?.sourcePort ?? socket.remotePort ?? 0,
      tls,
      trusted: plan.trustedProxies.contains(canonical),
      listener: listener.plan.address,
      certificate,
    };
    this.cell.connectionOpened();
    const connection = new ClientConnection(peer, place, this, (owner) => openTransport(socket, owner));
    this.#connections.add(connection);
  }

  /** Before a handshake: that costs more than anything else that somebody without rights can ask for. */
  #admits(socket: Socket, proxied: ProxiedEndpoints | null): boolean {
    const place = this.#places.take(this.#plan, addressOf(socket, proxied));
    if (place === FULL) return false;
    if (place !== NO_PLACE) socket.once('close', () => this.#places.leave(place));
    return true;
  }

  begin(connection: ClientConnection, head: MessageHead, body: RequestBody | null): Execution {
    const live = this.#live as LivePlan;
    const { plan } = live;
    const { peer } = connection;
    this.#active++;
    this.begun++;
    let { host, target } = head;
    let refusal: GatewayError | null = null;
    if (target.charCodeAt(0) !== 47) {
      const absolute = readAbsolute(target, host);
      if (absolute === null) refusal = errors.malformedRequest;
      else ({ host, target } = absolute);
    }
    let chain = '';
    let scheme: 'http' | 'https' = peer.tls ? 'https' : 'http';
    let clientAddress = peer.address;
    if (peer.trusted) {
      const view = clientThroughProxies(peer.address, head.headers, plan.trustedProxies, plan.forwarding.source);
      if (view === null) {
        refusal = errors.malformedRequest;
      } else {
        chain = view.chain;
        clientAddress = view.address;
        scheme = view.scheme ?? scheme;
        host = view.host ?? host;
      }
    }
    const gateway = plan.hosts.find(host);
    const exchange = new Exchange(peer, head.headers, gateway.unmatched);
    exchange.startedAt = performance.now();
    exchange.version = head.version;
    exchange.method = head.method;
    exchange.target = target;
    exchange.scheme = scheme;
    exchange.host = host;
    exchange.body = body;
    exchange.clientAddress = clientAddress;
    exchange.upgrade = head.upgrade;
    exchange.expectContinue = head.expectContinue;
    exchange.takesTrailers = head.takesTrailers;
    dropStatements(head.headers);
    head.headers.addLines(this.#statements(connection, plan, chain, scheme, host));

    const parsed = this.#target;
    if (refusal === null && !normalizeTarget(target, parsed)) refusal = errors.ambiguousPath;
    if (refusal === null) {
      exchange.path = parsed.path;
      exchange.query = parsed.query;
      const route = this.#find(gateway.tree, exchange);
      if (route !== null && parsed.encodedSlash && !route.allowEncodedSlashes) refusal = errors.ambiguousPath;
      else if (route !== null) exchange.route = route;
    }
    const execution = new Execution(exchange, connection, live, this);
    if (refusal === null) execution.start();
    else execution.refuse(refusal);
    return execution;
  }

  /** What the upstream hears about the client: the same for all requests of a connection that name the same host. */
  #statements(
    connection: ClientConnection,
    plan: Plan,
    chain: string,
    scheme: 'http' | 'https',
    host: string,
  ): FieldLines {
    const { address, trusted } = connection.peer;
    const { xForwarded, forwarded } = plan.forwarding;
    if (trusted) return clientLines(chain, address, scheme, host, xForwarded, forwarded);
    let { statements } = connection;
    if (statements === null || statements.host !== host || statements.forwarding !== plan.forwarding) {
      const lines = clientLines('', address, scheme, host, xForwarded, forwarded);
      statements = { host, forwarding: plan.forwarding, lines };
      connection.statements = statements;
    }
    return statements.lines;
  }

  #find(tree: RouteTree, exchange: Exchange): Route | null {
    const match = this.#match;
    const { headers, method, path } = exchange;
    if (method === 'OPTIONS' && headers.has(origin)) {
      // A preflight asks about another request, and that one's route knows (Fetch, 3.2.2).
      const asked = headers.get(requestedMethod);
      const route = asked === undefined ? null : tree.find(asked, path, exchange, match);
      if (route?.answersPreflight) {
        exchange.parameters = match.parameters;
        return route;
      }
    }
    const route = tree.find(method, path, exchange, match);
    if (route !== null) exchange.parameters = match.parameters;
    return route;
  }

  malformed(): void {
    this.cell.requestMalformed();
  }

  ended(): void {
    this.#active--;
  }

  closed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.cell.connectionClosed();
    this.#places.leave(connection.place);
  }

  reportBug(error: unknown, exchange: Exchange): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const { gateway, name } = exchange.route;
    this.#env.log(`exception while handling a request of ${gateway}, route \`${name}\`: ${stack}`);
  }
}

const none: ReadonlySet<string> = new Set();

/** Those whose clients were let in, or not, by other authorities or another rule than hold now. */
function listenersThatAskOtherwise(before: Plan, now: Plan): ReadonlySet<string> {
  const present = new Map(now.listeners.map(({ address, tls }) => [address, tls]));
  const changed = before.listeners.filter(({ address, tls }) => !asksClientsAlike(tls, present.get(address) ?? null));
  return new Set(changed.map(({ address }) => address));
}

function addressOf(socket: Socket, proxied: ProxiedEndpoints | null): string {
  const address = proxied?.sourceAddress ?? socket.remoteAddress ?? '';
  return address === '' ? '' : (canonicalAddress(address) ?? '');
}

/** `http://host/path` (RFC 9112, 3.2.2): its authority is the request's, and one that contradicts Host is refused. */
function readAbsolute(target: string, host: string): { host: string; target: string } | null {
  const match = /^https?:\/\/((?:[0-9a-z\-._~]+|\[[0-9a-f:.]+\])(?::\d{1,5})?)(\/.*|\?.*|)$/i.exec(target);
  if (match === null) return null;
  const authority = (match[1] as string).toLowerCase();
  if (host !== '' && authority !== host.toLowerCase()) return null;
  const rest = match[2] as string;
  return { host: authority, target: rest.startsWith('/') ? rest : `/${rest}` };
}
