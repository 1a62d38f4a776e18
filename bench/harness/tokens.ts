import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Signed tokens for a load, and what a gateway needs to judge them. */
export interface Tokens {
  /** PEM file. */
  readonly publicKey: string;
  readonly issuer: string;
  readonly audience: string;
  /** A Lua file with which `wrk` sends them in turns. */
  readonly script: string;
  readonly first: string;
}

const LIFETIME_SECONDS = 3600;
/** The limit of each user where there is one: it is counted with every request, and nobody reaches it. */
export const REQUESTS_A_MINUTE = 1_000_000;

/** RS256 with 2048 bits, of `count` different subjects. */
export function makeTokens(directory: string, count: number): Tokens {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const issuer = 'https://identity.example';
  const audience = 'bench';
  const file = join(directory, 'tokens.pem');
  writeFileSync(file, publicKey.export({ type: 'spki', format: 'pem' }));
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const tokens = Array.from({ length: count }, (_, index) => {
    const claims = { iss: issuer, aud: audience, sub: `user-${index}`, iat: now, exp: now + LIFETIME_SECONDS };
    const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ ...claims, scope: 'orders:read orders:write' })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  });
  const script = join(directory, 'tokens.lua');
  writeFileSync(
    script,
    `local requests = {}
local next = 0
local tokens = { ${tokens.map((token) => `"${token}"`).join(', ')} }
init = function()
  for i, token in ipairs(tokens) do
    requests[i] = wrk.format("GET", nil, { ["authorization"] = "Bearer " .. token })
  end
end
request = function()
  next = next % #requests + 1
  return requests[next]
end
`,
  );
  return { publicKey: file, issuer, audience, script, first: tokens[0] ?? '' };
}
