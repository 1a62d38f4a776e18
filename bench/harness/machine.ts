import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What Linux says about processes and cores. Everything here reads `/proc`; nothing here starts or ends anything. */

/** Linux reports process times to user space in these, whatever its own tick is. */
const TICKS_PER_SECOND = 100;

/** The gateway under test has this core to itself; whatever feeds it shares the other. */
export const GATEWAY_CORE = 0;
export const LOAD_CORE = 1;

function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces: fields are counted from behind it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** The process and all that descend from it, e.g. an nginx master and its worker. */
export function processTree(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)?.[1]);
    if (Number.isNaN(parent)) continue;
    const siblings = childrenOf.get(parent);
    if (siblings) siblings.push(pid);
    else childrenOf.set(parent, [pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

/** User and system time that these processes have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

export function residentBytes(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids) {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    kibibytes += Number(match?.[1] ?? 0);
  }
  return kibibytes * 1024;
}

export interface CoreTimes {
  busy: number;
  stolen: number;
  total: number;
}

export function coreTimes(core: number): CoreTimes {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0] = line
    .split(' ')
    .map(Number);
  const busy = user + nice + system + irq + softirq;
  return { busy, stolen, total: busy + idle + wait + stolen };
}

/** Share of the core that was busy between two readings, from 0 to 1; time taken by other guests of the host counts as busy. */
export function coreLoad(before: CoreTimes, after: CoreTimes): number {
  const total = after.total - before.total;
  return total === 0 ? 0 : (after.busy - before.busy + (after.stolen - before.stolen)) / total;
}

export function openFilesLimit(): number {
  const match = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return match?.[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match?.[1] ?? 1024);
}

/** The first line of a program's own account of its version, or null when the program is not installed. */
export function versionOf(program: string, ...args: string[]): string | null {
  try {
    // nginx and wrk print theirs to standard error, wrk with an exit code of 1.
    const output = execFileSync('sh', [
      '-c',
      'command -v "$0" >/dev/null && { "$0" "$@" 2>&1 || true; }',
      program,
      ...args,
    ]);
    return output.toString().split('\n')[0]?.trim() ?? null;
  } catch {
    return null;
  }
}
