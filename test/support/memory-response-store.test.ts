import { describe } from 'node:test';
import { responseStoreContract } from '../contract/response-store.ts';
import { MemoryResponseStore } from './memory-response-store.ts';

describe('a response store in one process, for tests', () => {
  responseStoreContract(() => {
    const store = new MemoryResponseStore();
    return { store, also: store };
  });
});
