import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose';
import type { OidcOptions } from './oidc-options.ts';
import type { ProviderClient, ProviderMetadata } from './oidc-provider.ts';

/** What it takes to hear of a logout; an older token can only be one that somebody kept. */
const MAX_AGE_SECONDS = 300;
/** Of public keys: with a shared secret, whoever can check a token could make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6), by the keys that the provider publishes. */
export class LogoutTokens {
  readonly #options: Pick<OidcOptions, 'clientId' | 'clockSkew' | 'timeout'>;
  readonly #client: Pick<ProviderClient, 'fetch'>;
  #keys: { readonly url: string; readonly find: ReturnType<typeof createRemoteJWKSet> } | null = null;

  constructor(options: Pick<OidcOptions, 'clientId' | 'clockSkew' | 'timeout'>, client: Pick<ProviderClient, 'fetch'>) {
    this.#options = options;
    this.#client = client;
  }

  /** Its claims; null: it is not good. Throws where the keys cannot be had, which says nothing about the token. */
  async verify(token: string, metadata: ProviderMetadata): Promise<JWTPayload | null> {
    const { clientId, clockSkew } = this.#options;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#keysAt(metadata.jwks_uri), {
        algorithms: ALGORITHMS,
        issuer: metadata.issuer,
        audience: clientId,
        clockTolerance: Math.ceil(clockSkew / 1000),
        maxTokenAge: MAX_AGE_SECONDS,
        requiredClaims: ['jti'],
      });
      // Recommended, not required: but what says that it is something else is something else.
      const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt';
      return type === 'logout+jwt' || type === 'jwt' ? payload : null;
    } catch (error) {
      if (error instanceof errors.JOSEError && !isOutage(error)) return null;
      throw error;
    }
  }

  #keysAt(url: string): ReturnType<typeof createRemoteJWKSet> {
    if (this.#keys?.url !== url) {
      const find = createRemoteJWKSet(new URL(url), {
        timeoutDuration: this.#options.timeout,
        [customFetch]: (target, { method, headers }) => this.#client.fetch(target, { method, headers }),
      });
      this.#keys = { url, find };
    }
    return this.#keys.find;
  }
}

function isOutage(error: errors.JOSEError): boolean {
  return (
    error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
  );
}
