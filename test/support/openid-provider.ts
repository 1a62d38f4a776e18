import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

/** A real OpenID Connect provider with one client and any user, which can be made to fail. */

export const CLIENT = { id: 'shop-web', secret: 'client-secret-of-the-gateway' } as const;

export interface ProviderOptions {
  /** Of the client: where the gateway is. */
  readonly gateway: string;
  /** Seconds. */
  readonly accessTokenTtl?: number;
  /** Of one that was there before. */
  readonly port?: number;
}

export class OpenIdProvider {
  readonly url: string;
  readonly server: Server;
  /** `METHOD /path` of every request. */
  readonly requests: string[] = [];
  /** Answers in its place. */
  instead: RequestListener | null = null;
  /** Seconds, of access tokens from now on. */
  accessTokenTtl: number;
  /** Roles in the ID tokens of everybody. */
  roles: readonly string[] = ['editor'];

  constructor(server: Server, { gateway, accessTokenTtl = 3600 }: ProviderOptions) {
    this.server = server;
    this.accessTokenTtl = accessTokenTtl;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(this.url, {
      clients: [
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          grant_types: ['authorization_code', 'refresh_token'],
          redirect_uris: [`${gateway}/oauth2/callback`],
          post_logout_redirect_uris: [`${gateway}/bye`],
          backchannel_logout_uri: `${gateway}/oauth2/backchannel-logout`,
          backchannel_logout_session_required: true,
        },
      ],
      features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
      claims: { openid: ['sub'], profile: ['name', 'roles'] },
      conformIdTokenClaims: false,
      cookies: { keys: ['cookies-of-the-provider'] },
      findAccount: (_context: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, name: `The user ${id}`, roles: this.roles }),
      }),
      // The gateway is on a loopback address, to which a provider should not talk otherwise.
      fetch: (url: string, { dispatcher: _, ...options }: RequestInit & { dispatcher?: unknown }) =>
        fetch(url, options),
      pkce: { required: () => true },
      rotateRefreshToken: true,
      ttl: {
        AccessToken: () => this.accessTokenTtl,
        IdToken: 3600,
        RefreshToken: 86_400,
        Session: 86_400,
        Grant: 86_400,
        Interaction: 600,
      },
    });
    const callback = provider.callback();
    server.on('request', (request, response) => {
      this.requests.push(`${request.method} ${request.url?.split('?')[0]}`);
      (this.instead ?? callback)(request, response);
    });
  }

  count(request: string): number {
    return this.requests.filter((each) => each === request).length;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

export async function startOpenIdProvider(options: ProviderOptions): Promise<OpenIdProvider> {
  const server = createServer().listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return new OpenIdProvider(server, options);
}
