import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/**
 * The shop's services: plain HTTP, no authentication, no limits, no CORS. That is the point of a gateway: each of them
 * keeps only its business.
 */

interface Service {
  readonly name: string;
  readonly port: number;
  answer(request: IncomingMessage, url: URL): unknown;
}

const items = Array.from({ length: 12 }, (_, index) => ({
  id: String(index + 1),
  name: ['Kettle', 'Lamp', 'Chair', 'Rug', 'Clock', 'Vase'][index % 6],
  price: 1900 + index * 250,
  currency: 'EUR',
  description: 'Made to last, and to be repaired.',
}));

const orders = [
  { id: 'o-1', user: '42', items: ['1', '3'], total: 4300 },
  { id: 'o-2', user: '42', items: ['2'], total: 2150 },
];

/** A place in the code that answers `undefined` becomes 404. */
function catalog(_request: IncomingMessage, url: URL): unknown {
  if (url.pathname === '/healthz') return { ok: true };
  if (url.pathname === '/v1/catalog/items') return { items };
  if (url.pathname === '/v1/catalog/deals') return { items: items.filter(({ price }) => price < 3000) };
  if (url.pathname === '/v1/catalog/search') {
    const query = (url.searchParams.get('q') ?? '').toLowerCase();
    return { items: items.filter(({ name }) => name?.toLowerCase().includes(query)) };
  }
  const id = /^\/v1\/catalog\/(\d+)$/.exec(url.pathname)?.[1];
  return items.find((item) => item.id === id);
}

const services: readonly Service[] = [
  {
    name: 'users',
    port: 4001,
    answer: (request, url) => {
      const id = /^\/v1\/users\/(\w+)$/.exec(url.pathname)?.[1];
      return id === undefined ? undefined : { id, name: `User ${id}`, seenAs: request.headers['x-user-id'] ?? null };
    },
  },
  {
    name: 'orders',
    port: 4002,
    answer: (request, url) => {
      if (request.method === 'POST') return { id: 'o-3', accepted: true };
      return url.pathname.startsWith('/v1/orders') ? { orders, by: 'orders' } : undefined;
    },
  },
  { name: 'catalog-1', port: 4003, answer: catalog },
  { name: 'catalog-2', port: 4004, answer: catalog },
  { name: 'catalog-static', port: 4005, answer: () => ({ items: items.slice(0, 3), from: 'static copy' }) },
  { name: 'orders-next', port: 4006, answer: (_request, url) => ({ orders, by: 'orders-next', path: url.pathname }) },
];

/** `POST /break` and `POST /mend`, for seeing what the gateway makes of a service that fails. */
function listen(service: Service): Promise<Server> {
  let isBroken = false;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://service');
      if (request.method === 'POST' && (url.pathname === '/break' || url.pathname === '/mend')) {
        isBroken = url.pathname === '/break';
        response.end(`${service.name} ${isBroken ? 'is broken' : 'works'}\n`);
        return;
      }
      if (isBroken) {
        response.writeHead(503, { 'content-type': 'text/plain' }).end('broken\n');
        return;
      }
      const answer = service.answer(request, url);
      response.writeHead(answer === undefined ? 404 : request.method === 'POST' ? 201 : 200, {
        'content-type': 'application/json',
        'x-served-by': service.name,
        'cache-control': 'public, max-age=30',
      });
      response.end(`${JSON.stringify(answer ?? { error: 'no such thing' })}\n`);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(service.port, '127.0.0.1', () => resolve(server));
  });
}

export async function startServices(): Promise<{ name: string; url: string; server: Server }[]> {
  const started = [];
  for (const service of services) {
    const server = await listen(service);
    started.push({ name: service.name, url: `http://127.0.0.1:${service.port}`, server });
  }
  return started;
}
