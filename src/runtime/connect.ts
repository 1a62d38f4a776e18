import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { Deadline } from '../base/timers.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Endpoint, UpstreamOptions } from '../plan/upstream.ts';
import { encodeProxyV1, encodeProxyV2 } from '../semantics/proxy-protocol.ts';
import { addressesOf } from './resolver.ts';

/** What comes of an attempt; exactly one of the two is called, unless the attempt is abandoned. */
export interface ConnectEvents {
  connected(socket: Socket, address: string): void;
  failed(error: GatewayError): void;
}

/** TLS settings of one upstream, read once; connections resume sessions among themselves. */
export class UpstreamSecurity {
  readonly #context: SecureContext;
  readonly #verify: boolean;
  readonly #serverName: string | null;
  readonly #sessions = new Map<string, Buffer>();

  constructor({ tls }: Pick<UpstreamOptions, 'tls'>) {
    this.#verify = tls?.verify ?? true;
    this.#serverName = tls?.serverName ?? null;
    this.#context = createSecureContext({
      ...(tls?.ca != null && { ca: tls.ca }),
      ...(tls?.certificate != null && { cert: tls.certificate }),
      ...(tls?.key != null && { key: tls.key }),
      minVersion: 'TLSv1.2',
    });
  }

  connect(endpoint: Endpoint, socket: Socket): ReturnType<typeof connectTls> {
    const name = this.#serverName ?? endpoint.host;
    const session = this.#sessions.get(endpoint.url);
    const secure = connectTls({
      socket,
      secureContext: this.#context,
      rejectUnauthorized: this.#verify,
      ALPNProtocols: ['http/1.1'],
      // RFC 6066, 3: an address is no server name; it is verified all the same.
      ...(isIP(name) === 0 ? { servername: name } : { host: name }),
      ...(session !== undefined && { session }),
    });
    secure.on('session', (fresh) => this.#sessions.set(endpoint.url, fresh));
    return secure;
  }
}

/**
 * One attempt to connect to an endpoint: its addresses one after the other, each within the connect limit, with the
 * PROXY header and the TLS handshake as part of it.
 */
export class ConnectAttempt extends Deadline {
  readonly #endpoint: Endpoint;
  readonly #options: UpstreamOptions;
  readonly #security: UpstreamSecurity | null;
  readonly #exchange: Exchange | null;
  readonly #events: ConnectEvents;
  #addresses: readonly string[] = [];
  #next = 0;
  #socket: Socket | null = null;
  #settled = false;

  constructor(
    endpoint: Endpoint,
    options: UpstreamOptions,
    security: UpstreamSecurity | null,
    exchange: Exchange | null,
    events: ConnectEvents,
  ) {
    super();
    this.#endpoint = endpoint;
    this.#options = options;
    this.#security = security;
    this.#exchange = exchange;
    this.#events = events;
    this.start(options.connectTimeout);
    if (endpoint.path !== null) {
      this.#try(endpoint.path);
      return;
    }
    const addresses = endpoint.address === null ? addressesOf(endpoint.host) : [endpoint.address];
    if (addresses instanceof Promise) {
      addresses.then(
        (found) => this.#begin(found),
        () => this.#fail(errors.upstreamConnect),
      );
    } else {
      this.#begin(addresses);
    }
  }

  #begin(addresses: readonly string[]): void {
    this.#addresses = addresses;
    this.#tryNext(errors.upstreamConnect);
  }

  #tryNext(error: GatewayError): void {
    if (this.#settled) return;
    const address = this.#addresses[this.#next++];
    if (address === undefined) this.#fail(error);
    else this.#try(address);
  }

  #try(address: string): void {
    const { path, port, tls } = this.#endpoint;
    const raw = connectTcp({
      ...(path !== null ? { path } : { host: address, port }),
      noDelay: true,
      keepAlive: true,
      allowHalfOpen: true,
    });
    this.#socket = raw;
    this.start(this.#options.connectTimeout);
    let socket = raw;
    const lost = (): void => {
      if (this.#socket !== raw) return;
      raw.destroy();
      this.#tryNext(socket === raw ? errors.upstreamConnect : errors.upstreamTls);
    };
    raw.once('error', lost);
    raw.once('connect', () => {
      this.#writeProxyHeader(raw);
      if (!tls || this.#security === null) {
        raw.off('error', lost);
        this.#done(raw, address);
        return;
      }
      const secure = this.#security.connect(this.#endpoint, raw);
      socket = secure;
      secure.once('error', lost);
      secure.once('secureConnect', () => {
        secure.off('error', lost);
        this.#done(secure, address);
      });
    });
  }

  #writeProxyHeader(socket: Socket): void {
    const { proxyProtocol } = this.#options;
    if (proxyProtocol === 0) return;
    const endpoints = {
      sourceAddress: this.#exchange?.clientAddress ?? '',
      sourcePort: this.#exchange?.peer.port ?? 0,
      destinationAddress: socket.localAddress ?? '',
      destinationPort: socket.localPort ?? 0,
    };
    socket.write(proxyProtocol === 1 ? encodeProxyV1(endpoints) : encodeProxyV2(endpoints));
  }

  #done(socket: Socket, address: string): void {
    if (this.#settled) {
      socket.destroy();
      return;
    }
    this.#settled = true;
    this.clear();
    // Reading begins with the transport, not with the socket's own stream.
    socket.pause();
    const port = this.#endpoint.path === null ? `:${this.#endpoint.port}` : '';
    this.#events.connected(socket, address.includes(':') ? `[${address}]${port}` : `${address}${port}`);
  }

  #fail(error: GatewayError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.clear();
    this.#events.failed(error);
  }

  expired(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
    if (this.#next < this.#addresses.length) this.#tryNext(errors.upstreamConnectTimeout);
    else this.#fail(errors.upstreamConnectTimeout);
  }
}
