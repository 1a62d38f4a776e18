import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuPerRequest } from '../harness/turns.ts';
import type { Load } from '../harness/wrk.ts';
import { nginx, nginxAgain } from '../peers/nginx.ts';
import { routePath } from '../peers/peer.ts';
import { sluice, timeCheck } from '../peers/sluice.ts';
import { type Bench, type Figure, type Question, sceneOf } from './question.ts';

const FEW = 10;
const MANY = 10_000;
const CHECK_MUST_MS = 3_000;

/** Asks all over the routes. Requests are made beforehand, so that `wrk` spends as little as without a script. */
function spreadLoad(bench: Bench, routes: number): Load {
  const step = Math.max(1, Math.floor(routes / 1_000));
  const paths = Array.from({ length: Math.ceil(routes / step) }, (_, index) => `${routePath(index * step)}/${index}`);
  const script = join(bench.directory, `routes-${routes}.lua`);
  writeFileSync(
    script,
    `local paths = { ${paths.map((path) => `"${path}"`).join(', ')} }
local requests, next = {}, 0
function init() for index, path in ipairs(paths) do requests[index] = wrk.format("GET", path) end end
function request() next = next % #requests + 1; return requests[next] end
`,
  );
  return { path: '/', script };
}

async function checkTime(bench: Bench): Promise<Figure> {
  const milliseconds = await timeCheck({ ...sceneOf(bench), routes: MANY, core: null });
  return {
    measure: '`check` of 10,000 routes',
    unit: 'ms',
    values: { sluice: milliseconds },
    bar: { of: 'itself', must: CHECK_MUST_MS, aim: null },
  };
}

/** Does a request cost more when there are many routes? */
export const routes: Question = {
  name: 'routes',
  title: 'Ten and ten thousand routes',
  async ask(bench) {
    const few = { scene: { ...sceneOf(bench), routes: FEW }, load: spreadLoad(bench, FEW) };
    const many = { scene: { ...sceneOf(bench), routes: MANY }, load: spreadLoad(bench, MANY) };
    const answer = await cpuPerRequest(
      bench,
      '10,000 routes',
      [
        { label: 'Sluice, 10 routes', peer: sluice, ...few },
        { label: 'Sluice, 10,000 routes', peer: sluice, ...many },
        { label: 'nginx, 10 locations', peer: nginx, ...few },
        { label: 'nginx (A/A), 10 locations', peer: nginxAgain, ...few },
      ],
      null,
    );
    const figures = [...answer.figures];
    const failures = [...answer.failures];
    try {
      figures.push(await checkTime(bench));
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
    const notes = ['nginx has 10 prefix locations here, the figure of Sluice is that with 10,000 routes.'];
    return { ...answer, figures, failures, notes };
  },
};
