import * as oauth from 'oauth4webapi';
import { type ProviderFetch, providerFetch } from '../provider-fetch.ts';
import type { OidcOptions } from './oidc-options.ts';
import type { Grant } from './oidc-session.ts';

/** What is kept of a provider's metadata (OpenID Connect Discovery 1.0, 3). */
export interface ProviderMetadata extends oauth.AuthorizationServer {
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly jwks_uri: string;
}

const KEPT = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'userinfo_endpoint',
  'end_session_endpoint',
  'id_token_signing_alg_values_supported',
  'userinfo_signing_alg_values_supported',
  'authorization_response_iss_parameter_supported',
] as const;
/** RFC 6750, 2.1, would have fewer characters yet. */
const TOKEN = /^[!-~]+$/;
const NEEDED = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const;

/**
 * Why there is no grant. `refused`: the code or refresh token is good no more. `invalid`: the answer does not hold what it
 * must. `unavailable`: nobody can say at the moment. The message is for operators, and names no secret.
 */
export class ProviderFailure extends Error {
  readonly reason: 'refused' | 'invalid' | 'unavailable';

  constructor(reason: ProviderFailure['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What a login remembers until the browser is back. */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

type ProviderOptions = Pick<
  OidcOptions,
  'issuer' | 'clientId' | 'clientSecret' | 'clientAuthentication' | 'userinfo' | 'timeout' | 'ca' | 'clockSkew'
>;

/** The protocol's client. All of its methods reject with `ProviderFailure`. */
export class ProviderClient {
  readonly fetch: ProviderFetch;
  readonly #issuer: URL;
  readonly #client: oauth.Client;
  readonly #authentication: oauth.ClientAuth;
  readonly #userinfo: boolean;
  readonly #request: { [oauth.allowInsecureRequests]: boolean; [oauth.customFetch]: ProviderFetch };

  constructor({
    issuer,
    clientId,
    clientSecret,
    clientAuthentication,
    userinfo,
    timeout,
    ca,
    clockSkew,
  }: ProviderOptions) {
    this.fetch = providerFetch({ timeout, ca });
    this.#issuer = new URL(issuer);
    this.#client = { client_id: clientId, [oauth.clockTolerance]: Math.ceil(clockSkew / 1000) };
    if (clientSecret === undefined) this.#authentication = oauth.None();
    else if (clientAuthentication === 'post') this.#authentication = oauth.ClientSecretPost(clientSecret);
    else this.#authentication = oauth.ClientSecretBasic(clientSecret);
    this.#userinfo = userinfo;
    this.#request = {
      [oauth.allowInsecureRequests]: this.#issuer.protocol === 'http:',
      [oauth.customFetch]: this.fetch,
    };
  }

  discover(): Promise<ProviderMetadata> {
    return this.#guarded(async () => {
      const response = await oauth.discoveryRequest(this.#issuer, this.#request);
      const found = await oauth.processDiscoveryResponse(this.#issuer, response);
      for (const name of NEEDED) this.#checkEndpoint(name, found[name]);
      // Browsers are sent there with an ID token.
      if (found.end_session_endpoint !== undefined)
        this.#checkEndpoint('end_session_endpoint', found.end_session_endpoint);
      return Object.fromEntries(KEPT.map((name) => [name, found[name]])) as unknown as ProviderMetadata;
    });
  }

  /** `parameters`: what the browser brought back. */
  redeem(metadata: ProviderMetadata, parameters: URLSearchParams, secrets: LoginSecrets): Promise<Grant> {
    return this.#guarded(async () => {
      const { state, nonce, verifier, redirectUri } = secrets;
      const checked = oauth.validateAuthResponse(metadata, this.#client, parameters, state);
      const response = await oauth.authorizationCodeGrantRequest(
        metadata,
        this.#client,
        this.#authentication,
        checked,
        redirectUri,
        verifier,
        this.#request,
      );
      const rules = { expectedNonce: nonce, requireIdToken: true };
      const tokens = await oauth.processAuthorizationCodeResponse(metadata, this.#client, response, rules);
      return await this.#grantOf(metadata, response, tokens, null);
    });
  }

  refresh(metadata: ProviderMetadata, refreshToken: string, subject: string): Promise<Grant> {
    return this.#guarded(async () => {
      const response = await oauth.refreshTokenGrantRequest(
        metadata,
        this.#client,
        this.#authentication,
        refreshToken,
        this.#request,
      );
      const tokens = await oauth.processRefreshTokenResponse(metadata, this.#client, response);
      return await this.#grantOf(metadata, response, tokens, subject);
    });
  }

  /** `subject`: whose session it is; null when that is to be found out. */
  async #grantOf(
    metadata: ProviderMetadata,
    response: Response,
    tokens: oauth.TokenEndpointResponse,
    subject: string | null,
  ): Promise<Grant> {
    const idToken = oauth.getValidatedIdTokenClaims(tokens);
    // TLS would do (OpenID Connect Core 1.0, 3.1.3.7), but then whoever ends it could be anybody.
    if (idToken !== undefined) await oauth.validateApplicationLevelSignature(metadata, response, this.#request);
    const sub = subject ?? idToken?.sub;
    // OpenID Connect Core 1.0, 12.2
    if (sub === undefined || (idToken !== undefined && idToken.sub !== sub)) {
      throw new ProviderFailure('invalid', 'the refreshed ID token is about somebody else');
    }
    // The service may get it in a field, and so do we send it for user info.
    if (!TOKEN.test(tokens.access_token))
      throw new ProviderFailure('invalid', 'gives a token that cannot stand in a header');
    const more = this.#userinfo ? await this.#userinfoOf(metadata, tokens.access_token, sub) : {};
    return {
      claims: { ...more, ...idToken },
      scope: tokens.scope ?? null,
      accessToken: tokens.access_token,
      accessLifetime: tokens.expires_in === undefined ? null : tokens.expires_in * 1000,
      refreshToken: tokens.refresh_token ?? null,
      idToken: tokens.id_token ?? null,
    };
  }

  async #userinfoOf(metadata: ProviderMetadata, accessToken: string, sub: string): Promise<oauth.UserInfoResponse> {
    const response = await oauth.userInfoRequest(metadata, this.#client, accessToken, this.#request);
    return await oauth.processUserInfoResponse(metadata, this.#client, sub, response);
  }

  #checkEndpoint(name: string, value: unknown): void {
    const url = typeof value === 'string' ? URL.parse(value) : null;
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && this.#issuer.protocol === 'http:')) return;
    throw new ProviderFailure('invalid', `its metadata has no usable \`${name}\``);
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw error instanceof ProviderFailure ? error : failureOf(error);
    }
  }
}

/** Codes of the library that speak of what an answer says, and not of whether there is one. */
const SAYS_WRONG: ReadonlySet<string | undefined> = new Set([
  oauth.INVALID_RESPONSE,
  oauth.JWT_TIMESTAMP_CHECK,
  oauth.JWT_CLAIM_COMPARISON,
  oauth.JSON_ATTRIBUTE_COMPARISON,
  oauth.KEY_SELECTION,
  oauth.UNSUPPORTED_OPERATION,
]);
/** RFC 6749, 4.1.2.1 */
const LATER = new Set(['server_error', 'temporarily_unavailable']);

function failureOf(error: unknown): ProviderFailure {
  if (error instanceof oauth.AuthorizationResponseError) {
    return LATER.has(error.error)
      ? new ProviderFailure('unavailable', 'says that it cannot sign anybody in at the moment')
      : new ProviderFailure('refused', 'did not let the user in');
  }
  if (error instanceof oauth.ResponseBodyError) {
    if (error.error === 'invalid_grant') return new ProviderFailure('refused', 'takes the grant no more');
    return new ProviderFailure('unavailable', `answers ${error.status} with the error ${codeText(error.error)}`);
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return new ProviderFailure('unavailable', `answers ${error.status}: does it know this client and its secret?`);
  }
  const { message, code } = error as { message?: string; code?: string };
  return new ProviderFailure(SAYS_WRONG.has(code) ? 'invalid' : 'unavailable', message || code || 'no answer');
}

/** What a provider says goes into a log as one word or not at all. */
function codeText(code: string): string {
  return /^[a-z_]{1,64}$/.test(code) ? code : 'that is none';
}
