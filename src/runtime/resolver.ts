import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/**
 * Addresses of upstream hosts, remembered for a while by each worker. A look-up that fails never takes away what was
 * known: a name server's trouble is not the upstream's.
 */

const FRESH = 10_000;
const RETRY_AFTER_FAILURE = 1_000;

interface Entry {
  addresses: readonly string[];
  freshUntil: number;
  pending: Promise<readonly string[]> | null;
}

const entries = new Map<string, Entry>();

/** At once when known; a promise only for the first look-up of a name. Rejects when a name was never resolved. */
export function addressesOf(host: string): readonly string[] | Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  let entry = entries.get(host);
  if (entry === undefined) {
    entry = { addresses: [], freshUntil: 0, pending: null };
    entries.set(host, entry);
  }
  if (entry.freshUntil <= performance.now() && entry.pending === null) entry.pending = refresh(host, entry);
  if (entry.addresses.length > 0) {
    entry.pending?.catch(() => undefined);
    return entry.addresses;
  }
  return entry.pending ?? Promise.reject(new Error(`${host} has no address`));
}

async function refresh(host: string, entry: Entry): Promise<readonly string[]> {
  try {
    const found = await lookup(host, { all: true });
    entry.addresses = found.map(({ address }) => address);
    entry.freshUntil = performance.now() + FRESH;
    return entry.addresses;
  } catch (error) {
    entry.freshUntil = performance.now() + RETRY_AFTER_FAILURE;
    throw error;
  } finally {
    entry.pending = null;
  }
}
