import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';

/**
 * `npm run build`: what is published. Each composition root and thread becomes one JavaScript file, flat in `dist/`, since
 * they find each other beside themselves. Dependencies stay packages, so that their fixes reach an installation.
 */
const root = resolve(import.meta.dirname, '..');
const dist = resolve(root, 'dist');

rmSync(dist, { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: {
    cli: 'src/cli/main.ts',
    index: 'src/index.ts',
    worker: 'src/worker.ts',
    'config-thread': 'src/supervisor/config-thread.ts',
    'evaluate-child': 'src/config/evaluate-child.ts',
    'bcrypt-thread': 'src/policies/auth/basic/bcrypt-thread.ts',
  },
  outdir: dist,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  packages: 'external',
  chunkNames: 'chunk-[hash]',
  legalComments: 'none',
  metafile: true,
});
writeFileSync(resolve(dist, 'sluice.js'), "import { main } from './cli.js';\n\nmain(process.argv.slice(2));\n");
for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${String(Math.round(bytes / 1024)).padStart(5)} KiB  ${file}`);
}
