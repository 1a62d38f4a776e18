/** The little of the package that its runner here uses; it comes without types. */
declare module 'http-cache-tests/tests/*.mjs' {
  interface CacheTest {
    readonly id: string;
    readonly name: string;
    /** Absent: required. */
    readonly kind?: 'required' | 'optimal' | 'check';
    readonly depends_on?: readonly string[];
    readonly browser_only?: boolean;
  }

  interface CacheTestSuite {
    readonly id: string;
    readonly name: string;
    readonly tests: readonly CacheTest[];
  }

  const suites: readonly CacheTestSuite[] | CacheTestSuite;
  export default suites;
}

declare module 'http-cache-tests/client/runner.mjs' {
  export function runTests(
    suites: readonly object[],
    fetch: (url: string, init?: object) => Promise<object>,
    isBrowser: boolean,
    base: string,
    atOnce?: number,
  ): Promise<void>;
  /** `true`, or the kind of failure and its message. */
  export function getResults(): Record<string, true | [string, string]>;
}

declare module 'http-cache-tests/server/*.mjs' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export default function handle(path: string[], request: IncomingMessage, response: ServerResponse): void;
}
