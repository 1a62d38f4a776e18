import { defineIdentifier, type OptionProblem } from '../../../plan/identifier.ts';
import { type endpointNames, OidcIdentifier } from './oidc-identifier.ts';
import { type OidcOptions, oidcOptions } from './oidc-options.ts';
import { superviseOidc } from './oidc-supervise.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export const oidc = defineIdentifier({
  name: 'oidc',
  summary:
    'Signs browsers in with an OpenID Connect provider, and keeps the session in an encrypted cookie: no token ever reaches the browser.',
  schema: oidcOptions,
  examples: [
    {
      title: 'A web application',
      options: {
        issuer: 'https://login.shop.example',
        clientId: 'shop-web',
        clientSecret: '${file:secrets/oidc-client}',
        cookieSecret: '${file:secrets/oidc-cookie-with-32-characters-or-more}',
      },
    },
    {
      title: 'Refreshed sessions, and services that take the access token',
      options: {
        issuer: 'https://login.shop.example',
        clientId: 'shop-web',
        clientSecret: '${file:secrets/oidc-client}',
        cookieSecret: '${file:secrets/oidc-cookie-with-32-characters-or-more}',
        scopes: ['openid', 'profile', 'offline_access'],
        parameters: { prompt: 'consent' },
        forwardAccessToken: true,
        session: { ttl: '12h', idle: '30m' },
      },
    },
  ],
  endpoints: ({ loginPath, redirectPath, logoutPath, backchannelLogoutPath, frontchannelLogoutPath }) => [
    endpoint('login', ['GET'], loginPath),
    endpoint('callback', ['GET'], redirectPath),
    endpoint('logout', ['GET', 'POST'], logoutPath),
    endpoint('backchannel', ['POST'], backchannelLogoutPath),
    endpoint('frontchannel', ['GET'], frontchannelLogoutPath),
  ],
  check: checkOptions,
  compile: (options, env) => new OidcIdentifier(options, env),
  supervise: superviseOidc,
});

function endpoint(name: (typeof endpointNames)[number], methods: readonly string[], path: string) {
  return { name, methods, path };
}

function checkOptions({ issuer, url, session }: OidcOptions): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const warn = (path: string[], code: string, message: string, remedy: string): void => {
    problems.push({ severity: 'warning', code, message, remedy, path });
  };
  const { protocol, hostname } = new URL(issuer);
  if (protocol === 'http:' && !LOOPBACK.test(hostname)) {
    const message = 'whoever is on the way to this provider can sign in as anybody';
    warn(['issuer'], 'insecure-issuer', message, 'Use `https:`.');
  }
  if (session.allowInsecure && url?.startsWith('https:')) {
    const remedy = 'Remove it.';
    warn(['session', 'allowInsecure'], 'unused-setting', 'browsers see this gateway over TLS', remedy);
  }
  return problems;
}
