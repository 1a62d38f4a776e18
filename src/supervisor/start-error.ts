import type { AdminSettings } from './settings.ts';
import { PrepareError } from './worker-thread.ts';

/** Why the process did not come to serve, in words for whoever started it. */
export class StartError extends Error {}

export function formatAdminAddress(settings: AdminSettings): string {
  if (settings.path !== null) return `unix:${settings.path}`;
  const host = settings.host ?? '127.0.0.1';
  return `${host.includes(':') ? `[${host}]` : host}:${settings.port}`;
}

export function sameAddress(one: AdminSettings | null, other: AdminSettings | null): boolean {
  return (one && formatAdminAddress(one)) === (other && formatAdminAddress(other));
}

export function wordsForPrepareFailure(error: unknown): string {
  if (!(error instanceof PrepareError)) return (error as Error).message;
  const { code, address, message } = error.refusal;
  if (code === null) return message;
  return wordsForListenFailure(address ?? 'the address', code, message);
}

export function wordsForAdminFailure(
  settings: AdminSettings,
  code: string | undefined,
  message: string,
  takeOver: boolean,
): string {
  const address = formatAdminAddress(settings);
  if (code === 'EADDRINUSE' && takeOver) {
    return (
      `nothing to take over from: what answers at the admin address ${address} is not a sluice with the token of this ` +
      'configuration (another `stateDir`, another program?).'
    );
  }
  if (code === 'EADDRINUSE') {
    return (
      `the admin address ${address} is in use: another sluice runs, or another program has it. ` +
      'Stop it, change `admin.address`, or take over from a running sluice with `--take-over`.'
    );
  }
  return wordsForListenFailure(`admin address ${address}`, code ?? '', message);
}

function wordsForListenFailure(address: string, code: string, message: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `${address} is in use by another program. Stop it, or change \`listen\`.`;
    case 'EACCES':
    case 'EPERM':
      return `listening on ${address} is not permitted. Ports below 1024 need a capability (CAP_NET_BIND_SERVICE), or choose another.`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name in ${address} cannot be resolved.`;
    default:
      return `listening on ${address} failed: ${message}`;
  }
}
