import { z } from 'zod';
import { type FieldName, fieldName } from '../base/headers.ts';
import { duration, orTrue } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';

/** What browsers are told to be careful about; the defaults follow https://owasp.org/www-project-secure-headers/. */

function fieldText(fallback: string) {
  return z
    .union([
      z
        .string()
        .regex(/^[\t -~]+$/)
        .meta({ expects: 'text without line breaks' }),
      z.literal(false),
    ])
    .default(fallback);
}

const transportSecurity = z.strictObject({
  maxAge: duration().prefault('365d').describe('How long browsers insist on https.'),
  includeSubDomains: z.boolean().default(false).describe('Also for every subdomain, whoever serves it.'),
  preload: z.boolean().default(false).describe('Asks for a place in the lists that browsers are shipped with.'),
});

const options = z.strictObject({
  strictTransportSecurity: z
    .union([orTrue(transportSecurity), z.literal(false)])
    .prefault(true)
    .describe('`Strict-Transport-Security`, on https only.'),
  contentTypeOptions: fieldText('nosniff').describe('`X-Content-Type-Options`.'),
  frameOptions: fieldText('SAMEORIGIN').describe('`X-Frame-Options`.'),
  contentSecurityPolicy: fieldText("frame-ancestors 'self'").describe('`Content-Security-Policy`.'),
  referrerPolicy: fieldText('strict-origin-when-cross-origin').describe('`Referrer-Policy`.'),
  crossOriginOpenerPolicy: fieldText('same-origin-allow-popups').describe('`Cross-Origin-Opener-Policy`.'),
  crossOriginResourcePolicy: fieldText('same-site').describe('`Cross-Origin-Resource-Policy`.'),
  permissionsPolicy: z
    .union([z.string().regex(/^[\t -~]+$/), z.literal(false)])
    .default(false)
    .describe('`Permissions-Policy`; off unless given.'),
  hideServer: z.boolean().default(true).describe('Removes `Server`, `X-Powered-By` and the like.'),
  replace: z
    .boolean()
    .default(false)
    .describe('A service that sets one of these knows its pages better and wins; `true`: the gateway’s value wins.'),
});

const telltales = ['server', 'x-powered-by', 'x-aspnet-version', 'x-aspnetmvc-version'].map(fieldName);

interface Line {
  readonly name: FieldName;
  readonly value: string;
}

export const securityHeaders = definePolicy({
  name: 'securityHeaders',
  summary: 'Adds the response headers that make browsers careful, and removes those that tell what runs behind.',
  schema: orTrue(options),
  examples: [
    { title: 'Safe defaults', options: true },
    {
      title: 'Pages that others may embed',
      options: { frameOptions: false, contentSecurityPolicy: 'frame-ancestors https://partner.example' },
    },
    {
      title: 'Every subdomain is on https',
      options: { strictTransportSecurity: { includeSubDomains: true, maxAge: '730d' } },
    },
  ],
  compile(chosen) {
    const lines: Line[] = [];
    const add = (name: string, value: string | false): void => {
      if (value !== false) lines.push({ name: fieldName(name), value });
    };
    add('x-content-type-options', chosen.contentTypeOptions);
    add('x-frame-options', chosen.frameOptions);
    add('content-security-policy', chosen.contentSecurityPolicy);
    add('referrer-policy', chosen.referrerPolicy);
    add('cross-origin-opener-policy', chosen.crossOriginOpenerPolicy);
    add('cross-origin-resource-policy', chosen.crossOriginResourcePolicy);
    add('permissions-policy', chosen.permissionsPolicy);
    const plain = lines.slice();
    const { strictTransportSecurity: hsts, replace, hideServer } = chosen;
    if (hsts !== false) {
      const flags = `${hsts.includeSubDomains ? '; includeSubDomains' : ''}${hsts.preload ? '; preload' : ''}`;
      add('strict-transport-security', `max-age=${Math.floor(hsts.maxAge / 1000)}${flags}`);
    }
    const secure = lines;
    return {
      response: {
        run(exchange, head) {
          const { headers } = head;
          if (hideServer) for (let i = 0; i < telltales.length; i++) headers.remove(telltales[i] as FieldName);
          // RFC 6797, 7.2: never over plain http.
          const all = exchange.scheme === 'https' ? secure : plain;
          for (let i = 0; i < all.length; i++) {
            const { name, value } = all[i] as Line;
            if (replace) headers.set(name, value);
            else if (!headers.has(name)) headers.add(name, value);
          }
          return undefined;
        },
      },
    };
  },
});
