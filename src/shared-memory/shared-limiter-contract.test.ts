import { describe } from 'node:test';
import { limiterContract } from '../../test/contract/limiter.ts';
import { LimitMemory } from './limit-segments.ts';
import { SharedLimiter } from './shared-limiter.ts';

describe('limits in shared memory', () => {
  limiterContract(async () => {
    const { segments } = new LimitMemory(4096, [1, 2]);
    const [one, other] = [new SharedLimiter(segments, 1), new SharedLimiter(segments, 2)];
    return { one, other, async [Symbol.asyncDispose]() {} };
  });
});
