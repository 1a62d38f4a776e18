/**
 * Node's own HTTP clients, loaded with the first request that is made by them. Calls to services do not use them, so most
 * workers never make one, and an `import` of `node:http` brings `fetch` and all behind it along (11 MB of each thread).
 */
export function httpClient(): typeof import('node:http') {
  return process.getBuiltinModule('node:http');
}

export function httpsClient(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
