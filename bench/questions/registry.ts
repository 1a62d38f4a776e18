import { cache } from './cache.ts';
import { hitRatio } from './hit-ratio.ts';
import { jwt } from './jwt.ts';
import { latency } from './latency.ts';
import { limits } from './limits.ts';
import { memory } from './memory.ts';
import { micro } from './micro.ts';
import { overload } from './overload.ts';
import { plain } from './plain.ts';
import type { Question } from './question.ts';
import { reload } from './reload.ts';
import { responses } from './responses.ts';
import { routes } from './routes.ts';
import { tls } from './tls.ts';
import { uploads } from './uploads.ts';

/** All questions, in the order in which they are asked and reported. */
export const QUESTIONS: readonly Question[] = [
  plain,
  tls,
  jwt,
  limits,
  cache,
  hitRatio,
  responses,
  uploads,
  routes,
  latency,
  overload,
  memory,
  reload,
  micro,
];
