import { httpUrl } from '../../plan/fields.ts';

/** The URL of a service that is asked about callers. */
export function serviceUrl() {
  return httpUrl().superRefine((text, context) => {
    const url = URL.parse(text);
    if (url === null) return;
    const refuse = (message: string, remedy: string): void => {
      context.addIssue({ code: 'custom', message, params: { remedy } });
    };
    if (url.username !== '' || url.password !== '')
      refuse('a URL carries no credentials', 'Leave `user:password@` out.');
    else if (url.hash !== '') refuse('a fragment is never sent', `Write \`${text.slice(0, text.indexOf('#'))}\`.`);
  });
}

/** Path and query of such a URL, as they go out. */
export function targetOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
