import { PEER_LABEL, type PeerName } from '../peers/peer.ts';
import { type Figure, type Grade, grade, number, short, type Table } from '../questions/question.ts';
import type { Recorded } from './record.ts';

const SHOWN: readonly PeerName[] = ['sluice', 'nginx', 'haproxy', 'http-proxy'];

const GRADE_TEXT: Readonly<Record<Grade, string>> = {
  aim: '✅ aim',
  must: '✅',
  missed: '❌',
  unmeasured: 'not measured',
};

function markdownTable(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = table.columns.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(table.columns), line(rule), ...table.rows.map(line)].join('\n');
}

function value(figure: Figure, name: PeerName): string {
  const found = figure.values[name];
  if (found === undefined) return '–';
  return figure.unit === '' ? number(found, 0) : `${short(found)} ${figure.unit}`;
}

/** A multiple of a peer's, or the thing itself. */
function bound(figure: Figure, limit: number | null): string {
  if (!figure.bar || limit === null) return '';
  if (figure.bar.of === 'itself') return `≤ ${limit}${figure.unit === '' ? '' : ` ${figure.unit}`}`;
  return `≤ ${number(limit, 2)} × ${PEER_LABEL[figure.bar.of]}`;
}

function ratio(figure: Figure, over: PeerName): string {
  const found = figure.values[over];
  const reference = figure.values.nginx;
  return found === undefined || !reference ? '–' : number(found / reference, 2);
}

function summaryRow(figure: Figure): string[] {
  const verdict = figure.bar ? GRADE_TEXT[grade(figure, figure.bar)] : '';
  return [
    figure.measure,
    ...SHOWN.map((name) => value(figure, name)),
    ratio(figure, 'sluice'),
    ratio(figure, 'nginx-again'),
    bound(figure, figure.bar?.must ?? null),
    bound(figure, figure.bar?.aim ?? null),
    verdict,
  ];
}

export function summaryTable(records: readonly Recorded[]): string {
  return figuresTable(records.flatMap((record) => record.answer.figures));
}

function figuresTable(figures: readonly Figure[]): string {
  return markdownTable({
    columns: [
      'measure',
      ...SHOWN.map((name) => PEER_LABEL[name]),
      'Sluice ÷ nginx',
      'nginx ÷ nginx (A/A)',
      'must',
      'aim',
      '',
    ],
    rows: figures.map(summaryRow),
  });
}

function section(record: Recorded): string {
  const when = record.measuredAt.slice(0, 16).replace('T', ' ');
  const parts = [
    `## ${record.title}`,
    `\`npm run bench ${record.question}\`, rounds: ${record.rounds} of ${record.seconds} s, ${when} UTC.`,
    ...record.answer.failures.map((failure) => `> **Failed:** ${failure.replaceAll('\n', ' ')}`),
    ...record.answer.tables.map(markdownTable),
  ];
  if (record.answer.notes.length > 0) parts.push(record.answer.notes.map((note) => `- ${note}`).join('\n'));
  return parts.join('\n\n');
}

function machines(records: readonly Recorded[]): string {
  const kinds = new Map<string, string[]>();
  for (const record of records) {
    const facts = markdownTable({ columns: ['', ''], rows: record.facts });
    kinds.set(facts, [...(kinds.get(facts) ?? []), record.question]);
  }
  if (kinds.size === 1) return [...kinds.keys()].join('');
  return [...kinds].map(([facts, names]) => `${names.join(', ')}:\n\n${facts}`).join('\n\n');
}

const METHOD = `CPU per request is user and system time of the whole process divided by completed requests. The gateway has one worker on core 0;
the load (\`wrk -t1 -c64\`) and the service (nginx, about 200 bytes of JSON unless stated) share core 1. Gateways take turns within a run;
figures are medians of rounds. A second nginx with the same configuration takes its turns too: how far it is from the first is how much
to believe of any ratio. Configurations are in [\`bench/peers\`](../peers).`;

export function report(records: readonly Recorded[]): string {
  return `${[
    '# Benchmarks',
    METHOD,
    summaryTable(records),
    '![CPU and memory by gateway](latest.svg)',
    ...records.map(section),
    '## Machine',
    machines(records),
  ].join('\n\n')}\n`;
}

const START = '<!-- bench:start -->';
const END = '<!-- bench:end -->';

/** The page with the figures that have a bar between its markers, or null when it has none. */
export function replaceSummary(page: string, records: readonly Recorded[]): string | null {
  const from = page.indexOf(START);
  const to = page.indexOf(END, from);
  if (from < 0 || to < 0) return null;
  const judged = records.flatMap((record) => record.answer.figures.filter(({ bar }) => bar !== null));
  return `${page.slice(0, from + START.length)}\n\n${figuresTable(judged)}\n\n${page.slice(to)}`;
}
