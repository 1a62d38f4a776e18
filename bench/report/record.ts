import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from '../questions/question.ts';
import { QUESTIONS } from '../questions/registry.ts';
import type { Facts } from './facts.ts';

/** An answer with all that a reader of the report needs to trust it. */
export interface Recorded {
  question: string;
  title: string;
  measuredAt: string;
  rounds: number;
  seconds: number;
  facts: Facts;
  answer: Answer;
}

const FILE = 'latest.ndjson';

/** What earlier runs left, so that asking one question again does not lose the others. */
export function readRecord(directory: string): Recorded[] {
  const path = join(directory, FILE);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Recorded);
}

/** Newer answers replace older ones; the order is that of the questions. */
export function mergeRecords(older: readonly Recorded[], newer: readonly Recorded[]): Recorded[] {
  return QUESTIONS.flatMap(({ name }) => {
    const found = newer.find((each) => each.question === name) ?? older.find((each) => each.question === name);
    return found ? [found] : [];
  });
}

export function writeRecord(directory: string, records: readonly Recorded[]): void {
  writeFileSync(join(directory, FILE), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}
