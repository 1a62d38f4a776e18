import { PEER_LABEL, type PeerName } from '../peers/peer.ts';
import { type Figure, number, short } from '../questions/question.ts';
import type { Recorded } from './record.ts';

const SHOWN: readonly PeerName[] = ['sluice', 'nginx', 'haproxy', 'http-proxy'];

const WIDTH = 720;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 170;
const BAR_HEIGHT = 14;
const BAR_GAP = 4;
const TITLE_HEIGHT = 24;
const GROUP_GAP = 18;
const MARGIN = 16;

/** Greys and a blue with enough contrast on white and on near-black; where the viewer tells its scheme they adapt. */
const STYLE = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #1f2328; }
.own { fill: #2f81f7; }
.peer { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .title { fill: #f0f6fc; }
  .peer { fill: #656c76; }
}`;

const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('`', '');

interface Bar {
  label: string;
  value: number;
  own: boolean;
}

function barsOf(figure: Figure): Bar[] {
  return SHOWN.flatMap((name) => {
    const value = figure.values[name];
    return value === undefined ? [] : [{ label: PEER_LABEL[name], value, own: name === 'sluice' }];
  });
}

function drawBar(bar: Bar, figure: Figure, longest: number, top: number): string {
  const room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
  const length = Math.max(1, (Math.max(0, bar.value) / longest) * room);
  const left = MARGIN + LABEL_WIDTH;
  const base = top + BAR_HEIGHT - 3;
  const reference = figure.values.nginx;
  const multiple = reference && bar.label !== PEER_LABEL.nginx ? `  (${number(bar.value / reference, 2)} × nginx)` : '';
  return [
    `<text x="${left - 8}" y="${base}" text-anchor="end">${escapeText(bar.label)}</text>`,
    `<rect class="${bar.own ? 'own' : 'peer'}" x="${left}" y="${top}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<text x="${(left + length + 6).toFixed(1)}" y="${base}">${short(bar.value)} ${escapeText(figure.unit)}${multiple}</text>`,
  ].join('\n');
}

/** Figures that compare gateways, each drawn to its own scale; a longer bar is a worse one. */
export function chart(records: readonly Recorded[]): string {
  const figures = records
    .flatMap((record) => record.answer.figures)
    .filter((figure) => figure.unit !== '' && barsOf(figure).length > 1);
  const parts: string[] = [];
  let top = MARGIN;
  for (const figure of figures) {
    const bars = barsOf(figure);
    const longest = Math.max(...bars.map((bar) => bar.value), Number.MIN_VALUE);
    parts.push(`<text class="title" x="${MARGIN}" y="${top + 12}">${escapeText(figure.measure)}</text>`);
    top += TITLE_HEIGHT;
    for (const bar of bars) {
      parts.push(drawBar(bar, figure, longest, top));
      top += BAR_HEIGHT + BAR_GAP;
    }
    top += GROUP_GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img" aria-label="Gateways compared, less is better">
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`;
}
