import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CommandError, print } from './outcome.ts';

const STARTER = `# Sluice: one entry point in front of your services. \`sluice check\` reads it, \`sluice start\` serves it.
# yaml-language-server: $schema=./sluice.schema.json
version: 1

listen: 127.0.0.1:8080

admin:
  address: 127.0.0.1:9900            # /health/live, /health/ready, /metrics, \`sluice status\`

upstreams:
  app: http://127.0.0.1:3000         # or a map: targets, timeout, retry, health, ...

defaults:                            # for every route; a route's own settings win
  requestId: true
  accessLog: true
  securityHeaders: true

routes:                              # the most specific pattern wins, whatever the order
  GET /ready: { respond: ready }     # 200, or 503 while the gateway is going
  /*: app
`;

export function define(command: Command): void {
  command.argument('[file]', 'where to', 'sluice.yaml').action(init);
}

function init(file: string): void {
  try {
    writeFileSync(file, STARTER, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(code === 'EEXIST' ? `${file} exists already and is left alone` : `${file}: ${message}`);
  }
  print(
    [
      `${file} is written. Next:`,
      '  sluice schema > sluice.schema.json    completion in your editor',
      `  sluice check${file === 'sluice.yaml' ? '' : ` -c ${file}`}`,
      `  sluice start${file === 'sluice.yaml' ? '' : ` -c ${file}`}`,
    ].join('\n'),
  );
}
