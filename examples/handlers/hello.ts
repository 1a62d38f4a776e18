/**
 * A handler: a route's answer written in TypeScript. `handler: ./hello.ts` on a route runs it.
 *
 *     GET /hello/{name}: { handler: ./hello.ts }
 */
import { defineHandler } from 'sluice-gateway';

export default defineHandler((request, { exchange }) => {
  const { name = 'world' } = exchange.parameters;
  const language = request.headers.get('accept-language') ?? '';
  const greeting = language.startsWith('fr') ? 'Bonjour' : 'Hello';
  return Response.json({ message: `${greeting}, ${name}!`, requestId: exchange.id });
});
