import { describe } from 'node:test';
import { recordsContract } from '../../test/contract/records.ts';
import { MemoryRecords } from './memory-records.ts';

describe('records in memory', () => {
  recordsContract(async () => {
    const records = new MemoryRecords(() => undefined);
    return { one: records, other: records, [Symbol.asyncDispose]: () => records.close() };
  });
});
