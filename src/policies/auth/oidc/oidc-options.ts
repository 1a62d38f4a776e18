import { z } from 'zod';
import { duration, httpUrl, listOf, mapOf, secret } from '../../../plan/fields.ts';
import { parseOrigin } from '../../../semantics/origin.ts';
import { safeReturnPath } from '../../../semantics/return-path.ts';
import { serviceUrl } from '../service-url.ts';

/** What an entry that signs browsers in may say. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** What the protocol itself says in the request for authorization. */
const PROTOCOL_PARAMETERS: ReadonlySet<string> = new Set([
  'client_id',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
]);

function ownPath() {
  return z
    .string()
    .regex(/^\/[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*$/)
    .meta({ expects: 'a path such as `/oauth2/login`' });
}

function claim() {
  return z
    .string()
    .min(1)
    .meta({ expects: 'a claim such as `sub` or `realm_access.roles`', examples: ['sub', 'realm_access.roles'] });
}

const origin = z
  .string()
  .meta({ expects: 'an origin such as `https://app.shop.example`' })
  .superRefine((text, context) => {
    const parsed = parseOrigin(text);
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
    else if (parsed.value.suffix !== null || text === 'null') {
      const remedy = 'Write for instance `https://app.shop.example`.';
      context.addIssue({ code: 'custom', message: 'this is not one origin', params: { remedy } });
    }
  });

const session = z.strictObject({
  ttl: duration({ min: 1000, max: 90 * 24 * HOUR })
    .default(8 * HOUR)
    .describe('How long a sign-in lasts at most.'),
  idle: duration({ min: 1000, max: 90 * 24 * HOUR })
    .default(HOUR)
    .describe('How long it lasts without a request, to within a quarter of it.'),
  cookie: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .meta({ expects: 'the name of a cookie' })
    .optional()
    .describe('Name of the cookie, `sluice-` and the entry if not said; over TLS `__Host-` stands before it.'),
  sameSite: z
    .enum(['Lax', 'Strict'])
    .default('Lax')
    .describe('`Strict`: a link from another site arrives without the session.'),
  origins: listOf(origin)
    .default([])
    .describe('Further origins of the same site whose pages may change things with the session.'),
  allowInsecure: z
    .boolean()
    .default(false)
    .describe(
      'Sign in over plain HTTP elsewhere than on this very machine: everybody on the way can take the session.',
    ),
  onRefreshFailure: z
    .enum(['keep', 'refuse'])
    .default('keep')
    .describe('When the provider cannot be reached once the access token has expired: go on, or answer 503.'),
});

const claims = z.strictObject({
  id: listOf(claim()).default(['sub']).describe('Says who it is; of several the first that is there.'),
  consumer: listOf(claim()).default([]).describe('Says which entry of `consumers` it is.'),
  plan: listOf(claim()).default([]).describe('Names the plan, before what the consumer and the entry say.'),
  scopes: listOf(claim()).default([]).describe('Lists scopes; if not said, those that the provider granted.'),
  roles: listOf(claim()).default(['roles']).describe('Lists roles.'),
  groups: listOf(claim()).default(['groups']).describe('Lists groups.'),
  keep: listOf(z.string().min(1))
    .optional()
    .describe('The claims that a session keeps, by their names at the top; all if not said. Cookies are small.'),
});

export const oidcOptions = z
  .strictObject({
    issuer: serviceUrl().describe('The provider; it is found by discovery.'),
    clientId: z.string().min(1).describe('Who this gateway is to the provider.'),
    clientSecret: secret().optional().describe('Its secret there; without one it is a public client.'),
    clientAuthentication: z
      .enum(['basic', 'post'])
      .default('basic')
      .describe('How the secret is told: in `Authorization`, or in the body.'),
    cookieSecret: listOf(secret(z.string().min(32))).describe(
      'Encrypts sessions, at least 32 characters of chance. Of a list the first encrypts and all decrypt, for rotation. All machines need the same.',
    ),
    url: httpUrl()
      .optional()
      .describe(
        'Where browsers see this gateway, such as `https://shop.example`; if not said, where each request says.',
      ),
    scopes: listOf(z.string().regex(/^[!#-[\]-~]+$/))
      .default(['openid', 'profile'])
      .describe('What is asked for. With `offline_access` most providers give a refresh token.'),
    parameters: mapOf(z.string())
      .default({})
      .describe('Further parameters of the request for authorization, such as `prompt` or `audience`.'),
    redirectPath: ownPath().default('/oauth2/callback').describe('Where the provider sends browsers back to.'),
    loginPath: ownPath().default('/oauth2/login').describe('Begins a sign-in; `?return=/path` says where it leads.'),
    logoutPath: ownPath().default('/oauth2/logout').describe('Ends the session, here and at the provider.'),
    backchannelLogoutPath: ownPath()
      .default('/oauth2/backchannel-logout')
      .describe('Where the provider says that a session has ended elsewhere.'),
    frontchannelLogoutPath: ownPath()
      .default('/oauth2/frontchannel-logout')
      .describe(
        'What the provider’s page loads to say the same. It reaches browsers whose cookie comes along: those of a provider under the same domain.',
      ),
    postLogoutRedirect: z
      .union([z.string().refine((text) => safeReturnPath(text) !== null), httpUrl()])
      .meta({ expects: 'a path or a URL' })
      .optional()
      .describe('Where a logout leads, as it is registered with the provider.'),
    userinfo: z.boolean().default(false).describe('Ask the provider for claims that are not in its ID tokens.'),
    forwardAccessToken: z
      .boolean()
      .default(false)
      .describe('Give the service the access token as `Authorization: Bearer`.'),
    claims: claims.prefault({}).describe('Where ID token and user info say what; a dot leads into a claim.'),
    session: session.prefault({}).describe('How long a sign-in lasts, and the cookie that holds it.'),
    timeout: duration({ min: 10, max: MINUTE }).default(5000).describe('For one answer of the provider, whole.'),
    clockSkew: duration({ max: 5 * MINUTE })
      .default(30_000)
      .describe('How far the provider’s clock may be off.'),
    ca: z
      .string()
      .min(1)
      .optional()
      .describe('PEM text of the authorities to trust instead of the system’s, such as `${file:ca.pem}`.'),
  })
  .superRefine((options, context) => {
    const { parameters, url } = options;
    const refuse = (path: string[], message: string, remedy: string): void => {
      context.addIssue({ code: 'custom', path, message, params: { remedy } });
    };
    const paths = ownPathsOf(options);
    for (const [index, [name, path]] of paths.entries()) {
      const [other] = paths.slice(0, index).find(([, earlier]) => earlier === path) ?? [];
      if (other !== undefined) refuse([name], `\`${other}\` is the same path`, 'Give each a path of its own.');
    }
    for (const name of Object.keys(parameters)) {
      if (PROTOCOL_PARAMETERS.has(name)) refuse(['parameters', name], 'the protocol says this itself', 'Leave it out.');
    }
    const parsed = url === undefined ? null : URL.parse(url);
    if (parsed !== null && (parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '')) {
      refuse(['url'], 'this has more than scheme and host', `Write \`${parsed.origin}\`.`);
    }
  });

export type OidcOptions = z.output<typeof oidcOptions>;

/** By the names of their options. */
export function ownPathsOf(
  options: Pick<
    OidcOptions,
    'redirectPath' | 'loginPath' | 'logoutPath' | 'backchannelLogoutPath' | 'frontchannelLogoutPath'
  >,
): [name: string, path: string][] {
  const { redirectPath, loginPath, logoutPath, backchannelLogoutPath, frontchannelLogoutPath } = options;
  return Object.entries({ redirectPath, loginPath, logoutPath, backchannelLogoutPath, frontchannelLogoutPath });
}
