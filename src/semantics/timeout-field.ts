/**
 * The time that a caller gives, as a header field: pure functions. Services and gateways write it in different units, and
 * gRPC in a form of its own (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
export const timeoutFormats = ['ms', 's', 'grpc'] as const;
export type TimeoutFormat = (typeof timeoutFormats)[number];

/** At most eight digits. */
const MAX_GRPC = 99_999_999;
const GRPC = /^(\d{1,8})([HMSmun])$/;
const GRPC_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const WHOLE = /^\d{1,12}$/;
const DECIMAL = /^\d{1,9}(?:\.\d{1,9})?$/;

/** Never more than there is; nothing left is 0. */
export function formatTimeout(milliseconds: number, format: TimeoutFormat): string {
  const whole = Math.max(0, Math.floor(milliseconds));
  if (format === 'ms') return String(whole);
  if (format === 's') return String(whole / 1000);
  if (whole <= MAX_GRPC) return `${whole}m`;
  return `${Math.min(MAX_GRPC, Math.floor(whole / 1000))}S`;
}

/** Milliseconds; null: it says nothing usable. */
export function parseTimeout(text: string, format: TimeoutFormat): number | null {
  if (format === 'ms') return WHOLE.test(text) ? Number(text) : null;
  if (format === 's') return DECIMAL.test(text) ? Number(text) * 1000 : null;
  const [, digits, unit = ''] = GRPC.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) * (GRPC_UNITS[unit] ?? 0);
}
