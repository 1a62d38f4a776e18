import type { KeyPath } from '../config/key-path.ts';
import type { CheckContext } from './check-context.ts';
import { checkHost } from './check-match.ts';
import { itemPath } from './check-process.ts';
import type { DocumentValue, GatewayValue } from './model/document.ts';

/** A gateway as the document has it. */
export interface GatewaySource {
  readonly name: string;
  readonly value: GatewayValue;
  readonly path: KeyPath;
  readonly routesPath: KeyPath;
}

/** For hosts that no gateway names. */
export const NOWHERE = 'unknown-host';
/** For `routes` without a gateway. */
const DEFAULT_GATEWAY = 'default';
const RESERVED: ReadonlyMap<string, string> = new Map([
  [NOWHERE, 'what no gateway answers for'],
  [DEFAULT_GATEWAY, 'the routes outside `gateways`'],
]);

export function gatewaySources(value: DocumentValue): GatewaySource[] {
  const sources = Object.entries(value.gateways ?? {}).map(([name, gateway]): GatewaySource => {
    const path = ['gateways', name];
    return { name, value: gateway, path, routesPath: [...path, 'routes'] };
  });
  const { routes } = value;
  if (routes !== undefined)
    sources.push({ name: DEFAULT_GATEWAY, value: { routes }, path: [], routesPath: ['routes'] });
  return sources;
}

/** The hosts of the gateways, each of which belongs to one. */
export class HostCheck {
  /** Index of the gateway for all other hosts, or -1. */
  catchAll = -1;
  readonly #context: CheckContext;
  readonly #owners = new Map<string, KeyPath>();
  #index = 0;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  of({ name, value, path }: GatewaySource): string[] {
    const index = this.#index++;
    const given = value.hosts ?? ['*'];
    const at = (position: number): KeyPath =>
      value.hosts === undefined ? path : itemPath(this.#context, [...path, 'hosts'], position);
    if (path.length > 0 && RESERVED.has(name)) {
      const message = `\`${name}\` is the name of ${RESERVED.get(name)}`;
      this.#context.keyError('reserved-name', message, 'Choose another name.', path);
    }
    const hosts: string[] = [];
    for (const [position, text] of given.entries()) {
      const host = checkHost(text, at(position), this.#context);
      if (host === null) continue;
      const before = this.#owners.get(host);
      if (before !== undefined) {
        const what = host === '*' ? 'all other hosts' : `\`${host}\``;
        const remedy = host === '*' ? 'Give one of them `hosts`.' : 'Leave it to one gateway.';
        this.#context.keyError('host-tie', `two gateways answer for ${what}`, remedy, at(position), [before]);
      }
      this.#owners.set(host, at(position));
      if (host === '*') this.catchAll = index;
      else hosts.push(host);
    }
    return hosts;
  }
}
