import { access } from './access.ts';
import { balancing } from './balance.ts';
import { cache } from './cache.ts';
import { kept, type Micro, measure } from './harness.ts';
import { headers } from './headers.ts';
import { jwts } from './jwt.ts';
import { limits } from './limits.ts';
import { parse } from './parse.ts';
import { resilience } from './resilience.ts';
import { routes } from './routes.ts';

/** A program of its own, to be pinned: measures the named group and prints its results as JSON. */

const GROUPS: ReadonlyMap<string, readonly Micro[]> = new Map([
  ['parse', parse],
  ['routes', routes],
  ['headers', headers],
  ['access', access],
  ['jwt', jwts],
  ['limits', limits],
  ['cache', cache],
  ['balance', balancing],
  ['resilience', resilience],
]);

const group = GROUPS.get(process.argv[2] ?? '');
if (!group) throw new Error(`one of: ${[...GROUPS.keys()].join(' ')}`);
console.log(JSON.stringify(group.map(measure)));
// Read here, so that nobody can say that it never is.
if (Number.isNaN(kept.sum)) process.exitCode = 1;
