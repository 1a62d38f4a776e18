import { prepareName } from '../../base/headers.ts';
import type { MessageHead } from './message-head.ts';

/** What `Connection` (RFC 9110, 7.6.1) and `Upgrade` (7.8) say about the connection and about other fields. */

/** What one `Connection` field may name: each name costs a look at every field. */
const MAX_OPTIONS = 64;

/** Fields that carry the message itself: naming them in Connection must not take them away. */
const neverHopByHop = new Set([
  'host',
  'content-length',
  'content-type',
  'cookie',
  'authorization',
  'transfer-encoding',
]);

/** False: it names more than anybody has a use for. */
export function readConnection(value: string, head: MessageHead): boolean {
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    head.keepAlive = true;
    return true;
  }
  const options = value.split(',', MAX_OPTIONS + 1);
  for (const option of options) {
    const token = option.trim().toLowerCase();
    if (token === 'close') head.closeNamed = true;
    else if (token === 'keep-alive') head.keepAlive = true;
    else if (token === 'upgrade') head.upgradeNamed = true;
    else if (token !== '' && token !== 'te' && !neverHopByHop.has(token)) {
      head.connectionOptions ??= [];
      head.connectionOptions.push(token);
    }
  }
  return options.length <= MAX_OPTIONS;
}

/** RFC 9110, 7.8: `protocol-name ["/" protocol-version]`, in lower case. */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9a-z]+(?:\/[!#$%&'*+\-.^_`|~0-9a-z]+)?$/;

/** `Connection` may stand before or after what it names, so this waits for the whole section. */
export function settleConnection(head: MessageHead): void {
  if (head.closeNamed) head.keepAlive = false;
  if (head.connectionOptions !== null) {
    for (const option of head.connectionOptions) head.headers.keepFromForwarding(prepareName(option));
  }
  if (head.upgradeNamed && head.upgradeValue !== null) head.upgrade = upgradeOf(head, head.upgradeValue);
}

/** The first protocol; null when the upgrade is to be ignored, as a server always may (RFC 9110, 7.8). */
function upgradeOf(head: MessageHead, value: string): string | null {
  // In 1.0 it means nothing, and behind a body two parties could differ on where the new protocol begins.
  if (head.version === 10 || head.chunked || head.contentLength > 0) return null;
  const comma = value.indexOf(',');
  const protocol = (comma < 0 ? value : value.slice(0, comma)).trim().toLowerCase();
  // h2c would let a client speak past every policy (RFC 9113 dropped it).
  return PROTOCOL.test(protocol) && !protocol.startsWith('h2c') ? protocol : null;
}
