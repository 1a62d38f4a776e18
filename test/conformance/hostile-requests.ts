import { fieldCases } from './hostile-fields.ts';
import { framingCases } from './hostile-framing.ts';
import { lineCases } from './hostile-lines.ts';
import type { RequestCase } from './request-case.ts';

/**
 * Requests that are hostile, wrong or merely unusual, each with the answer that a gateway owes them.
 * `hostile-requests.test.ts` sends them over real sockets.
 */
export const requestCases: readonly RequestCase[] = [...lineCases, ...fieldCases, ...framingCases];
