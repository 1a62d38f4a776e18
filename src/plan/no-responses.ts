import type { Fill, ResponseStore } from './response-store.ts';

const nowhere: Fill = {
  leads: true,
  open: () => false,
  append: () => false,
  commit: () => undefined,
  abandon: () => undefined,
};

/** Keeps nothing: for checks and explanations, and where there is no memory for responses. */
export const noResponses: ResponseStore = {
  maxEntry: 0,
  find: () => null,
  begin: () => nowhere,
  remove: () => undefined,
  purge: async () => 0,
  refresh: () => false,
};
