import type { Route } from './plan.ts';
import type { RouteTree } from './route-tree.ts';

/** What answers for a set of hosts. */
export interface Gateway {
  readonly name: string;
  readonly tree: RouteTree;
  /** Answers 404 and 405 with the gateway's defaults around it: logs, request ids, CORS and security headers. */
  readonly unmatched: Route;
}

/** Remembered look-ups; past it, hosts that only a wildcard knows are resolved anew each time. */
const MAX_REMEMBERED = 4096;

/** Finds the gateway for an authority in one look-up: exact host, then the longest `*.suffix`, then the catch-all. */
export class HostTable {
  readonly #remembered = new Map<string, Gateway>();
  readonly #exact: ReadonlyMap<string, Gateway>;
  /** By what follows the asterisk: `.example.com`. */
  readonly #suffixes: ReadonlyMap<string, Gateway>;
  readonly #otherwise: Gateway;
  readonly #single: boolean;

  constructor(exact: ReadonlyMap<string, Gateway>, suffixes: ReadonlyMap<string, Gateway>, otherwise: Gateway) {
    this.#exact = exact;
    this.#suffixes = suffixes;
    this.#otherwise = otherwise;
    this.#single = exact.size === 0 && suffixes.size === 0;
  }

  /** `authority` is a host with or without a port; a port plays no part. Hosts that nobody names get the catch-all. */
  find(authority: string): Gateway {
    if (this.#single) return this.#otherwise;
    const known = this.#remembered.get(authority);
    if (known !== undefined) return known;
    const gateway = this.#resolve(hostOf(authority));
    if (gateway === null) return this.#otherwise;
    if (this.#remembered.size < MAX_REMEMBERED) this.#remembered.set(authority, gateway);
    return gateway;
  }

  /** Every gateway once. */
  gateways(): readonly Gateway[] {
    return [...new Set([...this.#exact.values(), ...this.#suffixes.values(), this.#otherwise])];
  }

  #resolve(host: string): Gateway | null {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    if (this.#suffixes.size === 0) return null;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const gateway = this.#suffixes.get(host.slice(dot));
      if (gateway !== undefined) return gateway;
    }
    return null;
  }
}

/** Lower case, without port and without the dot of a fully qualified name. */
function hostOf(authority: string): string {
  const bracket = authority.lastIndexOf(']');
  const colon = authority.indexOf(':', Math.max(bracket, 0));
  const host = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
