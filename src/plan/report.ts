import type { GatewayError } from '../base/gateway-error.ts';
import { jsonString } from '../base/json-text.ts';
import type { Exchange } from './exchange.ts';
import type { LogSink } from './policy.ts';
import { Reply } from './reply.ts';

/**
 * What a policy does with a request that it finds at fault: refuse it, or with `report: true` count it, log it and let
 * it pass, so that a rule can be watched before it bites.
 */
export function refuseOrReport(
  report: boolean,
  log: LogSink,
  policy: string,
  exchange: Exchange,
  error: GatewayError,
  detail: string | null = null,
): Reply | undefined {
  if (!report) return Reply.refuse(error, detail);
  exchange.reported++;
  log.write(reportLine(policy, exchange, error, detail));
  return undefined;
}

function reportLine(policy: string, exchange: Exchange, error: GatewayError, detail: string | null): string {
  return (
    `{"time":"${new Date().toISOString()}","event":"reported","policy":${jsonString(policy)},"code":"${error.code}"` +
    `,"status":${error.status},"route":${jsonString(exchange.route.name)},"method":${jsonString(exchange.method)}` +
    `,"path":${jsonString(exchange.path)},"client":${jsonString(exchange.clientAddress)}` +
    `${exchange.id === '' ? '' : `,"requestId":${jsonString(exchange.id)}`}` +
    `${detail === null ? '' : `,"detail":${jsonString(detail)}`}}\n`
  );
}
