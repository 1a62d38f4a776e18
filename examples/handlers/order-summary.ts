/**
 * A handler that asks an upstream and answers with less: the pools, time limits and retries of the upstream hold for it
 * too, and its calls end when the client leaves.
 *
 *     GET /orders/{id}/summary: { handler: ./order-summary.ts }
 */
import { defineHandler, UpstreamError } from 'sluice-gateway';

interface Order {
  id: string;
  items: { price: number; quantity: number }[];
}

export default defineHandler(async (_request, { exchange, upstream }) => {
  try {
    const answer = await upstream('orders').fetch(`/v1/orders/${encodeURIComponent(exchange.parameters.id ?? '')}`, {
      headers: { accept: 'application/json', 'x-request-id': exchange.id },
    });
    // Not our business: the client gets what the service says.
    if (answer.status !== 200) return answer;
    const { id, items } = (await answer.json()) as Order;
    const total = items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
    return Response.json({ id, count: items.length, total });
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return Response.json({ id: exchange.parameters.id, unavailable: error.code }, { status: 503 });
  }
});
