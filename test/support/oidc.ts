import { type OidcOptions, oidcOptions } from '../../src/policies/auth/oidc/oidc-options.ts';
import { ProviderFailure, type ProviderMetadata } from '../../src/policies/auth/oidc/oidc-provider.ts';
import type { Grant, Session } from '../../src/policies/auth/oidc/oidc-session.ts';

/** Parts of sign-ins made by hand. */

export const COOKIE_SECRET = 'a-cookie-secret-of-more-than-32-characters';

export function oidcOptionsOf(overrides: object = {}): OidcOptions {
  return oidcOptions.parse({
    issuer: 'https://login.example',
    clientId: 'shop-web',
    clientSecret: 'secret',
    cookieSecret: COOKIE_SECRET,
    ...overrides,
  });
}

export function metadataOf(issuer: string): ProviderMetadata {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize?tenant=shop`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    end_session_endpoint: `${issuer}/logout`,
    id_token_signing_alg_values_supported: ['ES256'],
  };
}

export function sessionOf(overrides: Partial<Session> = {}): Session {
  const now = Date.now();
  return {
    id: 'session-1',
    subject: 'ada',
    sid: null,
    startedAt: now - 1000,
    endsAt: now + 3_600_000,
    activeAt: now - 1000,
    claims: { sub: 'ada' },
    scope: 'openid',
    accessToken: null,
    accessUntil: null,
    refreshToken: null,
    refreshAt: null,
    idToken: null,
    ...overrides,
  };
}

export function grantOf(overrides: Partial<Grant> = {}): Grant {
  return {
    claims: { sub: 'ada' },
    scope: null,
    accessToken: 'access-2',
    accessLifetime: 300_000,
    refreshToken: 'refresh-2',
    idToken: null,
    ...overrides,
  };
}

/** A provider's client whose answers a test gives, one after the other or all at once. */
export class ScriptedClient {
  readonly refreshed: string[] = [];
  discoveries = 0;
  answer: () => Grant | ProviderFailure = () => grantOf();
  metadata: () => ProviderMetadata | ProviderFailure = () => metadataOf('https://login.example');

  async refresh(_metadata: ProviderMetadata, refreshToken: string): Promise<Grant> {
    this.refreshed.push(refreshToken);
    await new Promise(setImmediate);
    return unlessFailure(this.answer());
  }

  async discover(): Promise<ProviderMetadata> {
    this.discoveries++;
    await new Promise(setImmediate);
    return unlessFailure(this.metadata());
  }
}

function unlessFailure<T>(answer: T | ProviderFailure): T {
  if (answer instanceof ProviderFailure) throw answer;
  return answer;
}

export const down = (): ProviderFailure => new ProviderFailure('unavailable', 'connect ECONNREFUSED');
