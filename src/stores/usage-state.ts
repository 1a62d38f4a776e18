import { StoreState } from './store-state.ts';

export function usageState(kind: string, problem: (message: string) => void): StoreState {
  return new StoreState(kind, problem, 'quotas are counted by this process alone, which adds what was used later');
}
