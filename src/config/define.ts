/** Gives a `sluice.config.ts` completion and type checks in the editor; at run time it hands back what it gets. */
export function defineConfig<const T extends object>(config: T): T {
  return config;
}
