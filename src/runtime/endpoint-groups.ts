import type { Balancer } from './balance/balancer.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';

/**
 * A group takes all of its calls for as long as this many of its endpoints' times the share that is well makes a whole:
 * down to 71 % the rest is thought to have that much to spare.
 */
const HEADROOM = 1.4;

/** The endpoints of one priority. */
export class EndpointGroup {
  readonly priority: number;
  readonly balancer: Balancer<PoolEndpoint>;
  all: readonly PoolEndpoint[] = [];
  /** Those that calls go to. */
  members: readonly PoolEndpoint[] = [];
  /** Its part of the upstream's calls, 0 to 1. */
  load = 0;

  constructor(priority: number, balancer: Balancer<PoolEndpoint>) {
    this.priority = priority;
    this.balancer = balancer;
  }
}

/**
 * Who takes which part of the calls. A group can carry 1.4 times the share of its weight that is well, at most all; the
 * first takes what it can, the next what that leaves, and so on. When all together cannot carry everything, each takes its
 * part of what they can, and a group of which less than `panicThreshold` is well is in panic: it uses all of its endpoints,
 * because a few would break down too, and because checks that find nearly everything ill may be wrong themselves. With
 * nothing well anywhere the first group is used as a whole, or nothing with a threshold of 0. Answers those that take
 * something.
 */
export function shareOut(groups: readonly EndpointGroup[], panicThreshold: number): EndpointGroup[] {
  let left = 1;
  let total = 0;
  for (const group of groups) {
    const able = Math.min(1, HEADROOM * wellShare(group));
    group.load = Math.min(able, left);
    group.members = group.all.filter(({ isOpen, endpoint }) => isOpen && endpoint.weight > 0);
    left -= group.load;
    total += able;
  }
  if (total < 1) shareOutWant(groups, total, panicThreshold);
  return groups.filter(({ load }) => load > 0);
}

function shareOutWant(groups: readonly EndpointGroup[], total: number, panicThreshold: number): void {
  const first = groups.find(({ all }) => all.some(({ endpoint }) => endpoint.weight > 0));
  for (const group of groups) {
    group.load = total > 0 ? group.load / total : group === first && panicThreshold > 0 ? 1 : 0;
    if (wellShare(group) < panicThreshold) group.members = group.all.filter(({ endpoint }) => endpoint.weight > 0);
  }
}

function wellShare({ all }: EndpointGroup): number {
  let [well, total] = [0, 0];
  for (const { isOpen, endpoint } of all) {
    total += endpoint.weight;
    if (isOpen) well += endpoint.weight;
  }
  return total === 0 ? 0 : well / total;
}
