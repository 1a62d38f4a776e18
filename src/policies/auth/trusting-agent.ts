import type { Agent } from 'node:https';
import { createSecureContext, getCACertificates } from 'node:tls';
import { httpsClient } from '../../base/http-client.ts';

let systemAgent: Agent | null = null;

/**
 * For requests to a provider that trusts these authorities (PEM text), or the system's and Node's own. Agents keep no
 * connections: requests are seconds or minutes apart, and a provider's idle time-out is not ours to guess. The one for
 * the system's authorities is kept, because reading them takes tens of milliseconds.
 */
export function trustingAgent(ca: string | undefined): Agent {
  if (ca !== undefined) return new (httpsClient().Agent)({ ca, maxCachedSessions: 0 });
  if (systemAgent === null) {
    const trusted = new Set([...getCACertificates('default'), ...getCACertificates('system')]);
    systemAgent = new (httpsClient().Agent)({
      secureContext: createSecureContext({ ca: [...trusted] }),
      maxCachedSessions: 0,
    });
  }
  return systemAgent;
}
