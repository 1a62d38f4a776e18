import { generateKeyPairSync, sign } from 'node:crypto';
import { Exchange, type Identity } from '../../src/plan/exchange.ts';
import type { Identifier, IdentifierEnv } from '../../src/plan/identifier.ts';
import type { Reply } from '../../src/plan/reply.ts';
import { jwt } from '../../src/policies/auth/jwt/jwt.ts';
import { MessageHead } from '../../src/runtime/http1/message-head.ts';
import { parseRequestHead } from '../../src/runtime/http1/parse-head.ts';
import type { Micro } from './harness.ts';
import { inBuffer, LIMITS } from './messages.ts';
import { routeOf } from './routes.ts';

/** What does it cost to know who calls, from the received head on? */

const ISSUER = 'https://login.example';
const TOKENS = 100;
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: '2026-11-a', alg: 'RS256', use: 'sig' };

/** What an access token of an OpenID provider has (RFC 9068). */
function tokenOf(user: number): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: 'shop',
    sub: `user-${user}-5f0c2d9e`,
    client_id: 'shop-web',
    jti: `b1946ac9-2492-4f1c-8d6e-${String(user).padStart(12, '0')}`,
    iat: now,
    exp: now + 3600,
    scope: 'openid users:read orders:write',
    roles: ['buyer', 'reviewer'],
  };
  const parts = [{ alg: 'RS256', kid: jwk.kid, typ: 'at+jwt' }, claims];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

function exchangeWith(token: string): Exchange {
  const lines = ['GET /v1/users/7 HTTP/1.1', 'Host: shop.example', 'Accept: */*', `Authorization: Bearer ${token}`];
  const { bytes, start, end } = inBuffer(`${lines.join('\r\n')}\r\n\r\n`);
  const head = new MessageHead();
  if (parseRequestHead(bytes, start, end, head, LIMITS) !== end) throw new Error('the head is malformed');
  const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };
  return new Exchange(peer, head.headers, routeOf('identified', []));
}

const nothing = (): never => {
  throw new Error('keys in the configuration need nobody else');
};

const env: IdentifierEnv = {
  entry: 'customer',
  consumers: new Map(),
  defaultPlan: 'free',
  revocations: { version: 0, isRevoked: () => false },
  feed: nothing,
  service: nothing,
  log: { write: nothing },
  problem: nothing,
};

function identifying(measure: string, remember: number): Micro {
  const options = { issuer: ISSUER, audience: 'shop', jwks: { keys: [jwk] }, remember };
  const identifier: Identifier = jwt.compile(jwt.schema.parse(options), env);
  const exchanges = Array.from({ length: TOKENS }, (_, user) => exchangeWith(tokenOf(user)));
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + 1) % TOKENS;
        sum += scopesOf(identifier.identify(exchanges[at] as Exchange) as Identity | Reply);
      }
      return sum;
    },
  };
}

function scopesOf(answer: Identity | Reply): number {
  if (!('scopes' in answer)) throw new Error(`a good token is refused: ${answer.error?.code}`);
  return answer.scopes.length;
}

export const jwts: readonly Micro[] = [
  identifying('JWT that is remembered, 100 in turns', 10_000),
  identifying('JWT seen for the first time, RS256', 0),
];
