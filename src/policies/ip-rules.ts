import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { listOf, network } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';
import { AddressSet, parseNetwork } from '../semantics/cidr.ts';

const options = z
  .strictObject({
    allow: listOf(network())
      .optional()
      .describe('Only these may enter. Without it, everybody whom `deny` does not name.'),
    deny: listOf(network()).optional().describe('These may not enter, even where `allow` names them.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .refine(({ allow, deny }) => allow !== undefined || deny !== undefined, {
    message: 'this names no address',
    params: { remedy: 'Add `allow` or `deny`.' },
  });

function setOf(networks: readonly string[] | undefined): AddressSet | null {
  if (networks === undefined) return null;
  return new AddressSet(networks.map(parseNetwork).flatMap((parsed) => (parsed.ok ? [parsed.value] : [])));
}

export const ipRules = definePolicy({
  name: 'ipRules',
  summary: 'Lets requests in, or keeps them out, by the address of the client as far as trusted proxies vouch for it.',
  schema: options,
  examples: [
    { title: 'Only from the office', options: { allow: ['192.0.2.0/24', '2001:db8:1::/48'] } },
    { title: 'Watch a list before it bites', options: { deny: '198.51.100.0/24', report: true } },
  ],
  compile({ allow, deny, report }, { log }) {
    const allowed = setOf(allow);
    const denied = setOf(deny);
    return {
      request: {
        phase: 'guard',
        run(exchange) {
          const address = exchange.clientAddress;
          // A client whose address nobody knows is in no list, and so not among the allowed.
          const enters =
            (denied === null || !denied.contains(address)) && (allowed === null || allowed.contains(address));
          return enters ? undefined : refuseOrReport(report, log, 'ipRules', exchange, errors.accessDenied);
        },
      },
    };
  },
});
