import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An identity provider with discovery and keys over HTTP, that fails in whatever way a test wants. */
export class IdentityProvider {
  /** Paths that were asked for. */
  readonly requests: string[] = [];
  /** Takes the place of the answer for every path; null: it works. */
  failure: Handler | null = null;
  /** For both documents. */
  cacheControl: string | null = null;
  metadata: Record<string, unknown> = {};
  #keys: SigningKey[] = [];
  #server: Server;
  #port = 0;

  private constructor() {
    this.#server = this.#newServer();
  }

  static async start(): Promise<IdentityProvider> {
    const provider = new IdentityProvider();
    await provider.rotate('first');
    await provider.#listen();
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get jwksUrl(): string {
    return `${this.issuer}/jwks`;
  }

  /** What it publishes. */
  get keys(): JWK[] {
    return this.#keys.map(({ jwk }) => jwk);
  }

  /** Requests for keys. */
  get asked(): number {
    return this.requests.filter((path) => path === '/jwks').length;
  }

  /** A new key signs from now on; those before the last `keep` ones are no longer published. */
  async rotate(kid: string, keep = 0): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
    this.#keys = [...(keep === 0 ? [] : this.#keys.slice(-keep)), { kid, privateKey, jwk }];
  }

  /** By the newest key. */
  async token(claims: JWTPayload): Promise<string> {
    const key = this.#keys.at(-1);
    if (key === undefined) throw new Error('there is no key');
    return await new SignJWT({ iss: this.issuer, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .setIssuedAt(claims.iat)
      .setExpirationTime('5m')
      .sign(key.privateKey);
  }

  /** Nobody listens any more. */
  async leave(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** At the same address. */
  async comeBack(): Promise<void> {
    this.#server = this.#newServer();
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  #newServer(): Server {
    return createServer((request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      if (this.failure === null) this.#answer(path, response);
      else this.failure(request, response);
    });
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #answer(path: string, response: ServerResponse): void {
    if (this.cacheControl !== null) response.setHeader('cache-control', this.cacheControl);
    if (path === '/.well-known/openid-configuration') {
      json(response, { issuer: this.issuer, jwks_uri: this.jwksUrl, ...this.metadata });
    } else if (path === '/jwks') json(response, { keys: this.keys });
    else response.writeHead(404).end();
  }
}

export function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
}

/** Ways in which an identity provider fails. */
export const failures = {
  error: (_request, response) => response.writeHead(500).end('no'),
  malformed: (_request, response) => response.end('<html>'),
  /** Never answers. */
  slow: () => undefined,
  huge: (_request, response) => response.end(Buffer.alloc(2 ** 20, ' ')),
} satisfies Record<string, Handler>;
