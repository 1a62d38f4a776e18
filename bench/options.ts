import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROJECT } from './harness/process.ts';
import { MICRO_GROUPS } from './questions/micro.ts';
import type { Question } from './questions/question.ts';
import { QUESTIONS } from './questions/registry.ts';

const USAGE = `npm run bench -- [question ...] [options]

Questions: ${QUESTIONS.map((question) => question.name).join(' ')}; all of them when none is named.
Behind "micro" may stand some of: ${MICRO_GROUPS.join(' ')}.

  --rounds N    turns of every gateway (3)
  --seconds S   length of a turn (5)
  --quick       one turn of 2 s: does everything work? Its report goes to a temporary directory
  --entry FILE  the Sluice to run instead of this tree's, e.g. its bundle
  --out DIR     where the report goes (bench/results, whose summary goes to README.md too)
`;

export interface Options {
  questions: readonly Question[];
  /** Groups of micro-benchmarks. */
  micros: readonly string[];
  rounds: number;
  seconds: number;
  quick: boolean;
  entry: string | null;
  /** Null: figures that are not to be kept. */
  out: string | null;
  intoReadme: boolean;
}

export function usageError(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        entry: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) usageError(`--${name} takes a whole number from 1`);
  return value;
}

function refuseUnknown(names: readonly string[], known: readonly string[], what: string): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) usageError(`no such ${what}: ${unknown.join(', ')}`);
}

export function readOptions(): Options {
  const { values, positionals } = read();
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  // Names behind `micro` are those of its groups: some are names of questions too.
  const micros = positionals[0] === 'micro' ? positionals.slice(1) : [];
  const names = micros.length > 0 ? ['micro'] : positionals;
  refuseUnknown(micros, MICRO_GROUPS, 'micro-benchmark');
  refuseUnknown(
    names,
    QUESTIONS.map((question) => question.name),
    'question',
  );
  // Half an answer must not take the place of a whole one.
  const partial = values.quick || micros.length > 0;
  return {
    questions: names.length === 0 ? QUESTIONS : QUESTIONS.filter((question) => names.includes(question.name)),
    micros: micros.length > 0 ? micros : MICRO_GROUPS,
    rounds: count('rounds', values.rounds, values.quick ? 1 : 3),
    seconds: count('seconds', values.seconds, values.quick ? 2 : 5),
    quick: values.quick,
    entry: values.entry ?? null,
    out: values.out ?? (partial ? null : join(PROJECT, 'bench/results')),
    intoReadme: values.out === undefined && !partial,
  };
}
