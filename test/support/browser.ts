import { once } from 'node:events';
import { type IncomingMessage, request as openRequest } from 'node:http';

/** What a browser does for a person who signs in: keeps cookies, follows redirects, sends forms. */

export interface Answer {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface VisitOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** `Sec-Fetch-Site`: which page made it ask; `none` is the user. */
  readonly from?: 'none' | 'same-origin' | 'same-site' | 'cross-site';
}

const MAX_STEPS = 20;
const USER = 'ada';

export class Browser {
  /** By host and port, as far as tests care; then by name. */
  readonly jar = new Map<string, Map<string, string>>();
  /** Every address that was asked for. */
  readonly history: string[] = [];
  readonly user: string;

  constructor(user: string = USER) {
    this.user = user;
  }

  /** With the same cookies, but a life of its own. */
  copy(): Browser {
    const copy = new Browser(this.user);
    for (const [host, cookies] of this.jar) copy.jar.set(host, new Map(cookies));
    return copy;
  }

  cookies(url: string): Map<string, string> {
    const { host } = new URL(url);
    let cookies = this.jar.get(host);
    if (cookies === undefined) {
      cookies = new Map();
      this.jar.set(host, cookies);
    }
    return cookies;
  }

  /** One request as a page, without going on. */
  visit(url: string | URL, { from = 'none', headers, ...options }: VisitOptions = {}): Promise<Answer> {
    const navigation = { accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    return this.#send(new URL(url), { ...options, headers: { ...navigation, 'sec-fetch-site': from, ...headers } });
  }

  /** One request of a script. */
  script(url: string | URL, { from = 'same-origin', headers, ...options }: VisitOptions = {}): Promise<Answer> {
    const fields = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': from };
    return this.#send(new URL(url), { ...options, headers: { ...fields, ...headers } });
  }

  /** Goes on until there is a page: through redirects, and the forms in which the provider asks who it is and whether. */
  async open(url: string | URL, options: VisitOptions = {}): Promise<Answer> {
    let answer = await this.visit(url, options);
    for (let step = 0; step < MAX_STEPS; step++) {
      const { location } = answer.headers;
      if (location !== undefined) {
        answer = await this.visit(new URL(location, answer.url));
        continue;
      }
      const next = this.#formIn(answer);
      if (next === null) return answer;
      answer = await this.visit(next.action, { method: 'POST', form: next.fields, from: 'same-origin' });
    }
    throw new Error(`goes in a circle: ${this.history.slice(-MAX_STEPS).join(' ')}`);
  }

  #formIn({ url, body }: Answer): { action: URL; fields: Record<string, string> } | null {
    const action = /<form[^>]* action="([^"]*)"/.exec(body)?.[1];
    if (action === undefined) return null;
    const fields: Record<string, string> = {};
    for (const [tag] of body.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(tag)?.[1];
      if (name !== undefined) fields[name] = /value="([^"]*)"/.exec(tag)?.[1] ?? this.user;
    }
    if (body.includes('name="logout"')) fields.logout = 'yes';
    return { action: new URL(action.replaceAll('&amp;', '&'), url), fields };
  }

  async #send(url: URL, { method, form, headers }: VisitOptions): Promise<Answer> {
    this.history.push(url.href);
    const cookies = this.cookies(url.href);
    const fields: Record<string, string> = { ...headers };
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    if (cookie !== '') fields.cookie = cookie;
    if (form !== undefined) fields['content-type'] = 'application/x-www-form-urlencoded';
    const request = openRequest(url, { method: method ?? 'GET', headers: fields, agent: false });
    request.end(form === undefined ? undefined : new URLSearchParams(form).toString());
    const [response]: IncomingMessage[] = await once(request, 'response');
    if (response === undefined) throw new Error('no response');
    const body = Buffer.concat(await Array.fromAsync(response)).toString();
    for (const line of response.headers['set-cookie'] ?? []) keep(line, cookies);
    return { url, status: response.statusCode ?? 0, headers: response.headers, body };
  }
}

function keep(line: string, cookies: Map<string, string>): void {
  const [pair = '', ...attributes] = line.split('; ');
  const equals = pair.indexOf('=');
  const name = pair.slice(0, equals);
  const isOver = attributes.some((each) => {
    const [attribute = '', value = ''] = each.toLowerCase().split('=');
    return (
      (attribute === 'max-age' && Number(value) <= 0) || (attribute === 'expires' && Date.parse(value) < Date.now())
    );
  });
  if (isOver) cookies.delete(name);
  else cookies.set(name, pair.slice(equals + 1));
}
