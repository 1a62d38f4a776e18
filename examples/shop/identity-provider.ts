import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A small identity provider with real keys: discovery, JWKS, and a token endpoint that believes whoever asks. */

export interface IdentityProvider {
  readonly issuer: string;
  readonly server: Server;
  token(subject: string, claims?: Record<string, unknown>): Promise<string>;
}

export async function startIdentityProvider(port = 4000): Promise<IdentityProvider> {
  const issuer = `http://127.0.0.1:${port}`;
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const key = { ...(await exportJWK(publicKey)), kid: 'demo-1', alg: 'RS256', use: 'sig' };

  const token = (subject: string, claims: Record<string, unknown> = {}): Promise<string> =>
    new SignJWT({ scope: 'users:read orders:write', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience('shop')
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(privateKey);

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', issuer);
    let answer: unknown;
    if (url.pathname === '/.well-known/openid-configuration') {
      answer = {
        issuer,
        jwks_uri: `${issuer}/jwks`,
        token_endpoint: `${issuer}/token`,
        response_types_supported: ['token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      };
    } else if (url.pathname === '/jwks') {
      answer = { keys: [key] };
    } else if (url.pathname === '/token') {
      const subject = url.searchParams.get('sub') ?? '42';
      answer = { access_token: await token(subject), token_type: 'Bearer', expires_in: 3600 };
    }
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return { issuer, server, token };
}
