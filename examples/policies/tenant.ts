/**
 * A policy of your own: only known tenants may call, and the service is told which one it is. Named under
 * `policies: [./tenant.ts]`, it is used like any other, and inherited, checked and documented like any other:
 *
 *     defaults:
 *       tenant: { known: [acme, globex] }
 */
import { clientError, definePolicy, fieldName, headerName, listOf, refuseOrReport, z } from 'sluice-gateway';

const unknownTenant = clientError('tenant_unknown', 403, 'This tenant is not known here');

export default definePolicy({
  name: 'tenant',
  summary: 'Lets only known tenants in, and tells the client which one it was taken for.',
  schema: z.strictObject({
    known: listOf(z.string().min(1)).describe('Tenants that may call.'),
    header: headerName().default('x-tenant').describe('Where the client says which tenant it is.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  }),
  examples: [{ title: 'Two tenants', options: { known: ['acme', 'globex'] } }],
  compile({ known, header, report }, env) {
    // What can be decided once is decided here: the hooks below run for every request, and only look up.
    const field = fieldName(header);
    const tenants = new Set(known);
    const tenantOf = env.slot<string>();
    return {
      request: {
        // Behind the preflight phase: browsers send no fields of their own with a preflight.
        phase: 'authorize',
        run(exchange) {
          const tenant = exchange.headers.get(field) ?? '';
          if (!tenants.has(tenant)) return refuseOrReport(report, env.log, 'tenant', exchange, unknownTenant);
          tenantOf.set(exchange, tenant);
          return undefined;
        },
      },
      response: {
        run(exchange, head) {
          const tenant = tenantOf.get(exchange);
          if (tenant !== undefined) head.headers.set(field, tenant);
          return undefined;
        },
      },
    };
  },
});
