import * as oauth from 'oauth4webapi';
import { providerFetch } from '../auth/provider-fetch.ts';

/** How the gateway gets a token of its own (RFC 6749, 4.4). */
export interface ClientCredentials {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  readonly audience?: string | undefined;
  readonly auth: 'basic' | 'post';
  /** PEM text of the authorities to trust. */
  readonly ca?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

export interface ObtainedToken {
  /** Value of `Authorization`. */
  readonly authorization: string;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** No token: the message is for operators and names no secret. */
export class TokenFailure extends Error {}

/** Where the answer does not say (RFC 6749, 5.1, recommends it). */
const UNKNOWN_LIFETIME_MS = 300_000;
const MAX_LIFETIME_MS = 86_400_000;
/** It becomes the value of a field; RFC 6750, 2.1, would have fewer characters yet. */
const TOKEN = /^[!-~]{1,16384}$/;

export async function obtainToken(given: ClientCredentials): Promise<ObtainedToken> {
  const { tokenUrl, clientId, clientSecret, scopes, audience, auth, ca, timeout } = given;
  const server: oauth.AuthorizationServer = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client: oauth.Client = { client_id: clientId };
  const authentication =
    auth === 'basic' ? oauth.ClientSecretBasic(clientSecret) : oauth.ClientSecretPost(clientSecret);
  const parameters: Record<string, string> = {};
  if (scopes.length > 0) parameters.scope = scopes.join(' ');
  if (audience !== undefined) parameters.audience = audience;
  try {
    const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, {
      [oauth.customFetch]: providerFetch({ timeout, ca }),
      [oauth.allowInsecureRequests]: true,
    });
    return read(await oauth.processClientCredentialsResponse(server, client, response));
  } catch (error) {
    throw error instanceof TokenFailure ? error : new TokenFailure(`${forPeople(tokenUrl)}: ${reasonOf(error)}`);
  }
}

function read({ access_token, token_type, expires_in }: oauth.TokenEndpointResponse): ObtainedToken {
  if (token_type !== 'bearer') throw new Error('gives tokens of another type than Bearer');
  if (!TOKEN.test(access_token)) throw new Error('gives a token that cannot stand in a header');
  const lifetime = expires_in === undefined ? UNKNOWN_LIFETIME_MS : expires_in * 1000;
  return { authorization: `Bearer ${access_token}`, lifetime: Math.min(lifetime, MAX_LIFETIME_MS) };
}

/** Without what a query or user information could hold. */
function forPeople(tokenUrl: string): string {
  const { origin, pathname } = new URL(tokenUrl);
  return origin + pathname;
}

function reasonOf(error: unknown): string {
  // What servers describe may repeat what they were sent.
  if (error instanceof oauth.ResponseBodyError) return `refuses with ${error.status} (${plain(error.error)})`;
  if (error instanceof oauth.WWWAuthenticateChallengeError) return `refuses with ${error.status}`;
  if (error instanceof oauth.OperationProcessingError) return 'gives an answer that makes no sense';
  if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)) return 'gives no whole answer in time';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && /^[A-Z_]+$/.test(code) ? code : plain((error as Error).message);
}

function plain(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, 100);
}
