import assert from 'node:assert/strict';
import { freePort, type Gateway, startGateway, startUpstream, type Upstream } from '../harness.ts';
import { type Answer, Browser } from './browser.ts';
import { COOKIE_SECRET } from './oidc.ts';
import { CLIENT, type OpenIdProvider, startOpenIdProvider } from './openid-provider.ts';

/** A whole gateway with two workers between browsers, a real provider and a service that says which fields arrived. */

export const COOKIE = 'sluice-shopWeb';

export interface Scene {
  readonly url: string;
  readonly gateway: Gateway;
  readonly provider: OpenIdProvider;
  readonly shop: Upstream;
  close(): Promise<void>;
}

interface SceneOptions {
  readonly accessTokenTtl?: number;
  readonly more?: string;
  readonly session?: string;
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = await startOpenIdProvider({ gateway: url, accessTokenTtl: options.accessTokenTtl ?? 3600 });
  const shop = await startUpstream((request, response) => {
    request.resume();
    response.setHeader('cache-control', 'public, max-age=60');
    response.end(JSON.stringify(request.headers));
  });
  const scene = { url, provider, shop };
  const close = async (): Promise<void> => {
    await Promise.all([provider.close(), shop.close()]);
  };
  try {
    const gateway = await startGateway(configOf(scene, options), STARTED);
    return { ...scene, gateway, close: () => Promise.all([gateway.stop(), close()]).then(() => undefined) };
  } catch (error) {
    await close();
    throw error;
  }
}

export const STARTED = { workers: 2, env: { CLIENT_SECRET: CLIENT.secret, COOKIE_SECRET } };

function configOf({ url, provider, shop }: Pick<Scene, 'url' | 'provider' | 'shop'>, options: SceneOptions): string {
  return `
listen: 127.0.0.1:${new URL(url).port}
upstreams: { shop: ${shop.url} }
auth:
  shopWeb:
    oidc:
      issuer: ${provider.url}
      clientId: ${CLIENT.id}
      clientSecret: "\${env:CLIENT_SECRET}"
      cookieSecret: "\${env:COOKIE_SECRET}"
      scopes: [profile, offline_access]
      parameters: { prompt: consent }
      postLogoutRedirect: /bye
      timeout: 2s
      session: ${options.session ?? '{}'}
${options.more ?? ''}
defaults:
  accessLog: { headers: [cookie, x-who], responseHeaders: [set-cookie] }
  request: { headers: { set: { x-who: "{identity.id}", x-roles: "{identity.roles}", x-scopes: "{identity.scopes}" } } }
routes:
  /bye: { auth: public, request: false, respond: { body: bye } }
  /open: { auth: { methods: shopWeb, optional: true }, to: shop }
  /editors: { auth: shopWeb, authorize: { roles: editor }, to: shop }
  /*: { auth: shopWeb, to: shop }
`;
}

export function codeOf({ body }: Answer): unknown {
  return (JSON.parse(body) as { code?: unknown }).code;
}

export function fieldsOf({ status, body }: Answer): Record<string, string> {
  assert.equal(status, 200, body);
  return JSON.parse(body);
}

export function setCookies({ headers }: Answer): string[] {
  return headers['set-cookie'] ?? [];
}

export async function signedIn(url: string, user?: string): Promise<Browser> {
  const browser = new Browser(user);
  assert.equal((await browser.open(`${url}/`)).status, 200);
  return browser;
}

/** Up to the provider's last redirect: the address with the code, not yet asked for. */
export async function callbackUrl(browser: Browser, url: string): Promise<URL> {
  const scout = browser.copy();
  const first = await browser.visit(`${url}/cart`);
  scout.jar.clear();
  let answer = await scout.visit(first.headers.location ?? '');
  for (;;) {
    const { location } = answer.headers;
    if (location?.startsWith(url)) return new URL(location);
    const action = /<form[^>]* action="([^"]*)"/.exec(answer.body)?.[1];
    const prompt = /name="prompt" value="([^"]*)"/.exec(answer.body)?.[1] ?? '';
    answer =
      location !== undefined
        ? await scout.visit(new URL(location, answer.url))
        : await scout.visit(new URL(action ?? '', answer.url), { method: 'POST', form: { prompt, login: 'ada' } });
  }
}
