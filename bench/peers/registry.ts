import { haproxy } from './haproxy.ts';
import { httpProxy } from './http-proxy.ts';
import { nginx, nginxAgain } from './nginx.ts';
import type { Peer } from './peer.ts';
import { sluice } from './sluice.ts';

/** All gateways, in the order in which tables list them. */
export const PEERS: readonly Peer[] = [sluice, nginx, nginxAgain, haproxy, httpProxy];
