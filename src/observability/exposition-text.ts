export type Labels = Readonly<Record<string, string>>;
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Builds Prometheus' text format: families with their help and type, then one sample a line. */
export class ExpositionText {
  readonly #lines: string[] = [];

  family(name: string, type: MetricType, help: string): void {
    this.#lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
  }

  sample(name: string, labels: Labels, value: number): void {
    let inner = '';
    for (const label in labels) {
      inner += `${inner === '' ? '' : ','}${label}="${escapeLabel(labels[label] as string)}"`;
    }
    this.#lines.push(inner === '' ? `${name} ${value}` : `${name}{${inner}} ${value}`);
  }

  /** A family of one sample without labels. */
  single(name: string, type: MetricType, help: string, value: number): void {
    this.family(name, type, help);
    this.sample(name, {}, value);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
