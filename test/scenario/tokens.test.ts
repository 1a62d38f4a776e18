import assert from 'node:assert/strict';
import { type ClientRequest, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { secondsFromNow, signer, tokenOf } from '../support/tokens.ts';

/** Bearer tokens on their way through a whole gateway: what callers hear, what the service sees, what the log has. */

const shop = signer('RS256');
const partner = signer('ES256');

function tokenBy(who: typeof shop, iss: string, more: object = {}): string {
  return tokenOf(who, { iss, aud: 'shop', sub: 'ann', azp: 'acme', exp: secondsFromNow(600), ...more });
}

interface Answer {
  readonly status: number;
  readonly challenges: string[];
  readonly code: string | null;
}

describe('bearer tokens', () => {
  let upstream: Upstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await startUpstream();
    const entry = (who: typeof shop, iss: string, rest = ''): string =>
      `{ jwt: { issuer: ${iss}, audience: shop, jwks: "\${file:${who.kid}.json}"${rest} }, plan: free }`;
    gateway = await startGateway(
      `
upstreams: { service: ${upstream.url} }
plans: { free: {}, gold: {} }
consumers: { acme: { plan: gold, roles: [buyer] } }
auth:
  shop: ${entry(shop, 'shop', ', consumer: azp')}
  partner: ${entry(partner, 'partner')}
  link: ${entry(shop, 'shop', ', query: link')}
  session: ${entry(shop, 'shop', ', cookie: session, keep: true')}
defaults:
  accessLog: true
  request: { headers: { set: { x-user: "{identity.id} {identity.method} {identity.plan} {identity.roles}" } } }
routes:
  /both: { to: service, auth: [shop, partner] }
  /link: { to: service, auth: link }
  /session: { to: service, auth: { methods: session, optional: true } }
`,
      {
        workers: 1,
        files: Object.fromEntries(
          [shop, partner].map(({ kid, jwk }) => [`${kid}.json`, JSON.stringify({ keys: [jwk] })]),
        ),
      },
    );
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  function ask(path: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked: ClientRequest = request(`${gateway.url}${path}`, { headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          const isProblem = response.headers['content-type'] === 'application/problem+json';
          const code = isProblem ? String((JSON.parse(text) as { code: unknown }).code) : null;
          const challenges = response.headersDistinct['www-authenticate'] ?? [];
          resolve({ status: response.statusCode ?? 0, challenges, code });
        });
      });
      asked.on('error', reject).end();
    });
  }

  it('of two issuers at one place are both good, and the service sees neither', async () => {
    for (const [who, iss, user] of [
      [shop, 'shop', 'ann shop gold buyer'],
      [partner, 'partner', undefined],
    ] as const) {
      const { status } = await ask('/both', { authorization: `bearer ${tokenBy(who, iss)}` });
      assert.equal(status, 200);
      const seen = upstream.requests.at(-1)?.headers;
      assert.equal(seen?.authorization, undefined);
      // A missing value drops the header: the partner's callers have no roles.
      assert.equal(seen?.['x-user'], user);
    }
  });

  it('that are missing, wrong, or several are refused as RFC 6750 says', async () => {
    const missing = ['Bearer realm="shop"', 'Bearer realm="partner"'];
    assert.deepEqual(await ask('/both'), { status: 401, challenges: missing, code: 'credential_missing' });
    const forged = tokenBy(partner, 'shop');
    const wrong = await ask('/both', { authorization: `Bearer ${forged}` });
    assert.deepEqual(wrong, {
      status: 401,
      challenges: ['Bearer realm="shop", error="invalid_token"'],
      code: 'token_invalid',
    });
    const token = `Bearer ${tokenBy(shop, 'shop')}`;
    assert.deepEqual(await ask('/both', { authorization: [token, token] }), {
      status: 400,
      challenges: ['Bearer realm="shop", error="invalid_request"'],
      code: 'credential_ambiguous',
    });
  });

  it('in the query reach neither the service nor the log', async () => {
    const good = tokenBy(shop, 'shop');
    const bad = tokenBy(shop, 'shop', { exp: 1 });
    assert.equal((await ask(`/link?a=1&link=${good}&b=2`)).status, 200);
    assert.equal(upstream.requests.at(-1)?.url, '/link?a=1&b=2');
    assert.equal((await ask(`/link?a=1&link=${bad}&b=3`)).code, 'token_expired');
    await until('both are logged', () => gateway.stdout.includes('a=1&b=2') && gateway.stdout.includes('a=1&b=3'));
    for (const token of [good, bad]) assert.ok(!gateway.stdout.includes(token) && !gateway.stderr.includes(token));
  });

  it('in a cookie are kept where the configuration says so, and none is needed where it is optional', async () => {
    const cookie = `theme=dark; session=${tokenBy(shop, 'shop')}`;
    assert.equal((await ask('/session', { cookie })).status, 200);
    assert.equal(upstream.requests.at(-1)?.headers.cookie, cookie);
    assert.equal((await ask('/session', { cookie: 'theme=dark' })).status, 200);
    assert.equal((await ask('/session', { cookie: 'session=abc' })).code, 'token_malformed');
  });
});
