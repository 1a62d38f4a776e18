import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import { httpUrl } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';

const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** A day (its beginning in UTC) or a moment; YAML tools may have made a date of it already. It comes out as text. */
const date = z.preprocess(
  (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : value),
  z
    .string()
    .meta({ expects: 'a date such as `2027-06-30`', examples: ['2027-06-30', '2027-06-30T12:00:00Z'] })
    .superRefine((text, context) => {
      if (DATE.test(text) && isRealDate(text)) return;
      const remedy = 'Write for instance `2027-06-30` or `2027-06-30T12:00:00Z`.';
      context.addIssue({ code: 'custom', message: 'this is not a date', params: { remedy } });
    }),
);

/** `2026-02-30` would silently be the second of March. */
function isRealDate(text: string): boolean {
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  return (
    !Number.isNaN(Date.parse(text)) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10))
  );
}

const options = z
  .strictObject({
    since: date.describe('From when on it is deprecated; it may lie ahead (`Deprecation`, RFC 9745).'),
    sunset: date.optional().describe('When it is expected to go away (`Sunset`, RFC 8594).'),
    link: httpUrl().optional().describe('Where to read what to use instead (`Link`).'),
    after: z.literal(410).optional().describe('What is answered once the sunset is past; without it, all goes on.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .superRefine(({ since, sunset, after }, context) => {
    if (sunset !== undefined && Date.parse(sunset) < Date.parse(since)) {
      // RFC 9745, 4: nothing goes away before it is deprecated.
      const params = { remedy: 'Write the later date under `sunset`.' };
      context.addIssue({ code: 'custom', message: 'the sunset lies before the deprecation', path: ['sunset'], params });
    }
    if (after !== undefined && sunset === undefined) {
      const params = { remedy: 'Add `sunset`.' };
      context.addIssue({ code: 'custom', message: '`after` needs a sunset', path: ['after'], params });
    }
  });

const deprecation = fieldName('deprecation');
const sunsetField = fieldName('sunset');
const linkField = fieldName('link');

export const deprecated = definePolicy({
  name: 'deprecated',
  summary: 'Tells clients, by headers that tools understand, that a route is going away and when.',
  schema: options,
  examples: [
    {
      title: 'Announced, with a date and a place to read on',
      options: { since: '2026-01-01', sunset: '2027-06-30', link: 'https://shop.example/docs/v2' },
    },
    { title: 'Gone after its day', options: { since: '2026-01-01', sunset: '2026-12-31', after: 410 } },
  ],
  compile({ since, sunset, link, after, report }, { log }) {
    const sinceText = `@${Math.floor(Date.parse(since) / 1000)}`;
    const sunsetText = sunset === undefined ? null : new Date(sunset).toUTCString();
    const relations = sunset === undefined ? ['deprecation'] : ['deprecation', 'sunset'];
    const linkText =
      link === undefined ? null : relations.map((rel) => `<${link}>; rel="${rel}"; type="text/html"`).join(', ');
    const end = after === undefined || sunset === undefined ? Number.POSITIVE_INFINITY : Date.parse(sunset);

    return {
      response: {
        run(_exchange, head) {
          head.headers.set(deprecation, sinceText);
          if (sunsetText !== null) head.headers.set(sunsetField, sunsetText);
          // Beside the service's own links, which say something else.
          if (linkText !== null) head.headers.add(linkField, linkText);
          return undefined;
        },
      },
      ...(after !== undefined && {
        request: {
          phase: 'guard',
          run(exchange) {
            return Date.now() < end ? undefined : refuseOrReport(report, log, 'deprecated', exchange, errors.gone);
          },
        },
      }),
    };
  },
});
