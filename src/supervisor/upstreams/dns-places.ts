import { isIPv6 } from 'node:net';
import type { AddressSource, ServiceSource } from '../../compile/upstream-work.ts';
import type { Endpoint } from '../../plan/upstream.ts';
import type { AddressRecord, DnsAnswer, RecordType } from '../../semantics/dns-message.ts';
import { askDns } from './dns-client.ts';
import type { Found, Place } from './source.ts';

/** Hosts of one service that are looked up; more is somebody's mistake. */
const MAX_HOSTS = 256;
/** Seconds, where nobody says for how long there will be nothing. */
const EMPTY_TTL = 10;
const TYPES = { any: ['A', 'AAAA'], ipv4: ['A'], ipv6: ['AAAA'] } as const;

type LookUpSource = AddressSource | ServiceSource;

/** What is known of the addresses of names, so that a question without an answer does not take away what others said. */
class Addresses {
  readonly #source: LookUpSource;
  /** Of this look, and of the one before: names that nobody asks for any more are forgotten. */
  #known = new Map<string, readonly AddressRecord[]>();
  #before = this.#known;
  failure: string | null = null;
  /** Seconds until the first of the answers is over. */
  ttl = Number.POSITIVE_INFINITY;
  /** The same for those that said that there is nothing. */
  emptyTtl = EMPTY_TTL;

  constructor(source: LookUpSource) {
    this.#source = source;
  }

  begin(): void {
    this.#before = this.#known;
    this.#known = new Map();
    this.failure = null;
    this.ttl = Number.POSITIVE_INFINITY;
    this.emptyTtl = EMPTY_TTL;
  }

  async of(name: string, family: keyof typeof TYPES, signal: AbortSignal): Promise<readonly string[]> {
    const found = await Promise.all(TYPES[family].map((type) => this.#ask(name, type, signal)));
    // In an order of their own: name servers turn theirs round with every answer.
    return [...new Set(found.flat().map(({ address }) => address))].sort();
  }

  /** Records that came with another answer. */
  take(records: readonly AddressRecord[]): readonly string[] {
    for (const { ttl } of records) this.ttl = Math.min(this.ttl, ttl);
    return [...new Set(records.map(({ address }) => address))].sort();
  }

  async #ask(name: string, type: RecordType, signal: AbortSignal): Promise<readonly AddressRecord[]> {
    const key = `${type} ${name}`;
    try {
      const { addresses, ttl } = await askDns(name, type, this.#source, signal);
      // That there are none of one family says nothing about how long those of the other are good.
      if (addresses.length > 0) this.ttl = Math.min(this.ttl, ttl ?? Number.POSITIVE_INFINITY);
      else this.emptyTtl = Math.min(this.emptyTtl, ttl ?? EMPTY_TTL);
      this.#known.set(key, addresses);
      return addresses;
    } catch (error) {
      this.failure = (error as Error).message;
      const addresses = this.#before.get(key) ?? [];
      this.#known.set(key, addresses);
      return addresses;
    }
  }
}

/** Every address of a name. */
export function addressPlace(source: AddressSource): Place {
  const { name, port, family, weight, priority, keepFor } = source;
  const known = new Addresses(source);
  return {
    origin: 'dns',
    of: `${name}:${port}`,
    keepFor,
    async look(signal) {
      known.begin();
      const addresses = await known.of(name, family, signal);
      if (addresses.length === 0 && known.failure !== null) throw new Error(known.failure);
      const endpoints = addresses.map((address) => endpointAt(source, name, address, port, weight, priority));
      return {
        endpoints,
        problems: [],
        failure: known.failure,
        nextIn: waitFor(addresses.length > 0 ? known.ttl : known.emptyTtl, source),
      };
    },
  };
}

/** RFC 2782: hosts and ports of a service, in groups of priority. */
export function servicePlace(source: ServiceSource): Place {
  const { name, keepFor } = source;
  const known = new Addresses(source);
  return {
    origin: 'srv',
    of: name,
    keepFor,
    async look(signal) {
      known.begin();
      const answer = await askDns(name, 'SRV', source, signal);
      const found = await endpointsOf(source, answer, known, signal);
      if (found.endpoints.length === 0 && found.failure !== null) throw new Error(found.failure);
      const ttl = answer.ttl ?? (found.endpoints.length > 0 ? Number.POSITIVE_INFINITY : EMPTY_TTL);
      return { ...found, nextIn: waitFor(Math.min(known.ttl, ttl), source) };
    },
  };
}

async function endpointsOf(
  source: ServiceSource,
  { services, added }: DnsAnswer,
  known: Addresses,
  signal: AbortSignal,
): Promise<Omit<Found, 'nextIn'>> {
  const usable = services.filter(({ target, port }) => target !== '' && port > 0).slice(0, MAX_HOSTS);
  const groups = [...new Set(usable.map(({ priority }) => priority))].sort((one, other) => one - other);
  const problems = services.length > MAX_HOSTS ? [`${services.length - MAX_HOSTS} records behind the first`] : [];
  const endpoints = await Promise.all(
    usable.map(async ({ target, port, weight, priority }) => {
      const records = added.get(target);
      const addresses = records === undefined ? await known.of(target, 'any', signal) : known.take(records);
      if (addresses.length === 0 && known.failure === null) problems.push(`${target} has no address`);
      const group = groups.indexOf(priority);
      // A weight of 0 is for what should hardly ever be used (RFC 2782), and not for what never is.
      return addresses.map((address) => endpointAt(source, target, address, port, Math.max(1, weight), group));
    }),
  );
  const distinct = new Map(endpoints.flat().map((endpoint) => [endpoint.url, endpoint]));
  const sorted = [...distinct.values()].sort((one, other) => (one.url < other.url ? -1 : 1));
  // Hosts without addresses are a mistake of somebody, and not the news that the service is gone.
  if (sorted.length === 0 && problems.length > 0) throw new Error(problems[0]);
  return { endpoints: sorted, problems: problems.sort(), failure: known.failure };
}

function endpointAt(
  { tls, basePath }: LookUpSource,
  host: string,
  address: string,
  port: number,
  weight: number,
  priority: number,
): Endpoint {
  const where = isIPv6(address) ? `[${address}]` : address;
  const url = `${tls ? 'https' : 'http'}://${where}:${port}${basePath}`;
  return { url, tls, host, address, port, path: null, basePath, weight, priority };
}

/** Milliseconds. */
function waitFor(ttl: number, { ttl: { min, max } }: LookUpSource): number {
  return Math.min(Math.max(ttl * 1000, min), max);
}
