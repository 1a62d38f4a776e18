import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from './harness/certificate.ts';
import { versionOf } from './harness/machine.ts';
import { PROJECT } from './harness/process.ts';
import { type Options, readOptions, usageError } from './options.ts';
import { chooseEntry, sluiceEntry } from './peers/sluice.ts';
import { startUpstream } from './peers/upstream.ts';
import type { Answer, Bench, Question } from './questions/question.ts';
import { chart } from './report/chart.ts';
import { machineFacts } from './report/facts.ts';
import { replaceSummary, report, summaryTable } from './report/markdown.ts';
import { mergeRecords, type Recorded, readRecord, writeRecord } from './report/record.ts';

const PROGRAMS = { nginx: '-v', haproxy: '-v', wrk: '-v', openssl: 'version', taskset: '--version' } as const;

function requirePrograms(): void {
  if (process.platform !== 'linux') usageError('The benchmark reads /proc and pins processes: it needs Linux.');
  const missing = Object.entries(PROGRAMS).filter(([name, argument]) => versionOf(name, argument) === null);
  if (missing.length === 0) return;
  console.error(
    `Missing: ${missing.map(([name]) => name).join(', ')}. apt-get install -y nginx haproxy wrk openssl util-linux`,
  );
  process.exit(1);
}

/** A question that breaks must not take the answers to the others with it. */
async function askOne(question: Question, bench: Bench): Promise<Answer> {
  try {
    return await question.ask(bench);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    console.log(`  !!! ${failure}`);
    return { figures: [], tables: [], notes: [], failures: [failure] };
  }
}

async function askAll(questions: readonly Question[], bench: Bench): Promise<Recorded[]> {
  const facts = machineFacts();
  const { rounds, seconds } = bench;
  const records: Recorded[] = [];
  for (const question of questions) {
    const { name, title } = question;
    console.log(`\n${title} (${name})`);
    const answer = await askOne(question, bench);
    records.push({ question: name, title, measuredAt: new Date().toISOString(), rounds, seconds, facts, answer });
  }
  return records;
}

function keep(asked: readonly Recorded[], { out, intoReadme }: Options): string {
  const directory = out ?? mkdtempSync(join(tmpdir(), 'sluice-bench-report-'));
  mkdirSync(directory, { recursive: true });
  const records = mergeRecords(readRecord(directory), asked);
  writeRecord(directory, records);
  const page = join(directory, 'latest.md');
  writeFileSync(page, report(records));
  writeFileSync(join(directory, 'latest.svg'), chart(records));
  const readme = join(PROJECT, 'README.md');
  if (intoReadme && existsSync(readme)) {
    const replaced = replaceSummary(readFileSync(readme, 'utf8'), records);
    if (replaced !== null) writeFileSync(readme, replaced);
  }
  return page;
}

const options = readOptions();
requirePrograms();
if (options.entry !== null) chooseEntry(options.entry);
if (!existsSync(sluiceEntry())) console.error(`!!! Sluice itself cannot be measured: there is no ${sluiceEntry()}`);

const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const upstream = await startUpstream(directory);
const { questions, micros, rounds, seconds, quick } = options;
const bench: Bench = {
  rounds,
  seconds,
  quick,
  micros,
  directory,
  upstreamPort: upstream.port,
  tls: await makeCertificate(directory),
  say: (line) => console.log(line),
};
const asked = await askAll(questions, bench);
await upstream.stop();

console.log(`\n${summaryTable(asked)}\n\nReport: ${keep(asked, options)}`);
const failures = asked.flatMap((record) => record.answer.failures);
for (const failure of failures) console.error(`!!! ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
