import { HeaderBlock } from '../base/headers.ts';
import { type Gateway, HostTable } from '../plan/host-table.ts';
import type { ErrorPages } from '../plan/plan.ts';
import { AddressSet, parseNetwork } from '../semantics/cidr.ts';
import type { ErrorPagesDocument, GatewayDocument } from './plan-document.ts';

/** The look-up tables of a plan, from their documents. */

export function compileErrorPages(pages: ErrorPagesDocument): ErrorPages {
  return new Map(
    pages.map(([key, { headers, body }]) => [
      key,
      { headers: headers.length === 0 ? null : HeaderBlock.of(headers), body },
    ]),
  );
}

export function hostTable(
  documents: readonly GatewayDocument[],
  otherwise: number,
  gateways: readonly Gateway[],
): HostTable {
  const exact = new Map<string, Gateway>();
  const suffixes = new Map<string, Gateway>();
  for (const [index, { hosts }] of documents.entries()) {
    const gateway = gateways[index] as Gateway;
    for (const host of hosts) {
      if (host.startsWith('*.')) suffixes.set(host.slice(1), gateway);
      else exact.set(host, gateway);
    }
  }
  return new HostTable(exact, suffixes, gateways[otherwise] as Gateway);
}

export function addressSet(networks: readonly string[]): AddressSet {
  return new AddressSet(networks.map(parseNetwork).flatMap((parsed) => (parsed.ok ? [parsed.value] : [])));
}
