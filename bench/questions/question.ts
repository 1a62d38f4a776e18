import { GATEWAY_CORE } from '../harness/machine.ts';
import type { PeerName, Scene } from '../peers/peer.ts';

/** What a question has to work with. */
export interface Bench {
  rounds: number;
  seconds: number;
  /** A short look at whether everything works; its figures say little. */
  quick: boolean;
  directory: string;
  upstreamPort: number;
  /** The groups of micro-benchmarks that are wanted. */
  micros: readonly string[];
  tls: { certificate: string; key: string; combined: string };
  say(line: string): void;
}

/** One route to the service, no TLS, pinned: questions change what they are about. */
export function sceneOf(bench: Bench): Scene {
  return { upstreamPort: bench.upstreamPort, tls: null, routes: 0, core: GATEWAY_CORE, directory: bench.directory };
}

/** What a figure has to reach: at most this, as a multiple of a peer's or as it stands. */
export interface Bar {
  of: PeerName | 'itself';
  must: number;
  aim: number | null;
}

/** One measure of several gateways. Less is better. */
export interface Figure {
  measure: string;
  unit: string;
  values: Partial<Record<PeerName, number>>;
  bar: Bar | null;
}

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

export interface Answer {
  figures: readonly Figure[];
  tables: readonly Table[];
  /** What a reader has to know to judge the figures, and whatever went wrong. */
  notes: readonly string[];
  /** Peers, or parts of the question, without figures. Each one is a reason to distrust the run. */
  failures: readonly string[];
}

export interface Question {
  name: string;
  title: string;
  ask(bench: Bench): Promise<Answer>;
}

export function number(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share: number): string {
  return `${number(share * 100, 0)} %`;
}

/** Three significant digits, as far as the unit deserves them. */
export function short(value: number): string {
  const size = Math.abs(value);
  return number(value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export type Grade = 'aim' | 'must' | 'missed' | 'unmeasured';

/** The number that a bar is about, or NaN when one of its sides was not measured. */
function barValue(figure: Figure, bar: Bar): number {
  const own = figure.values.sluice ?? Number.NaN;
  return bar.of === 'itself' ? own : own / (figure.values[bar.of] ?? Number.NaN);
}

export function grade(figure: Figure, bar: Bar): Grade {
  const value = barValue(figure, bar);
  if (Number.isNaN(value)) return 'unmeasured';
  if (value > bar.must) return 'missed';
  return bar.aim !== null && value <= bar.aim ? 'aim' : 'must';
}
