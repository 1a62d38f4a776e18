import { suggest } from '../base/suggest.ts';
import type { SupervisedDocument } from '../compile/plan-document.ts';
import { KeyDeskError } from './key-requests.ts';

/** What the configuration in service knows of those for whom keys are made. */
export class KeyDirectory {
  /** Entries of `auth` that take stored keys. */
  readonly entries: ReadonlySet<string>;
  readonly consumers: ReadonlySet<string>;
  readonly plans: ReadonlySet<string>;

  constructor(entries: Iterable<string>, consumers: Iterable<string>, plans: Iterable<string>) {
    this.entries = new Set(entries);
    this.consumers = new Set(consumers);
    this.plans = new Set(plans);
  }

  static of(supervised: readonly SupervisedDocument[], plans: Iterable<string>): KeyDirectory {
    const documents = supervised.filter(({ module, kind }) => kind === 'identifier' && module === 'apiKey');
    const storing = documents.filter(({ options }) => (options as { store: boolean }).store);
    const consumers = documents.flatMap((document) => document.consumers.map(([name]) => name));
    return new KeyDirectory(
      storing.map(({ name }) => name),
      consumers,
      plans,
    );
  }

  /**
   * The entry that a key of that consumer is for; `plan`: what the key has of its own. Throws `KeyDeskError` for names that
   * the configuration does not have.
   */
  resolve(entry: string | undefined, consumer: string, plan: string | null): string {
    const { entries, consumers, plans } = this;
    if (entries.size === 0) {
      throw new KeyDeskError(
        'invalid',
        'no entry of `auth` takes stored keys: add one such as `partner: { apiKey: true }`',
      );
    }
    if (entry !== undefined && !entries.has(entry)) {
      throw new KeyDeskError('invalid', `no entry \`${entry}\` of \`auth\` takes stored keys${meant(entry, entries)}`);
    }
    if (!consumers.has(consumer)) {
      const message = `the configuration has no consumer \`${consumer}\`${meant(consumer, consumers)}`;
      throw new KeyDeskError('invalid', message);
    }
    if (plan !== null && !plans.has(plan)) {
      throw new KeyDeskError('invalid', `the configuration has no plan \`${plan}\`${meant(plan, plans)}`);
    }
    const [only] = entries;
    if (entry === undefined && entries.size > 1) {
      throw new KeyDeskError('invalid', `say for which entry of \`auth\` it is: ${[...entries].join(', ')}`);
    }
    return entry ?? (only as string);
  }
}

function meant(word: string, known: ReadonlySet<string>): string {
  const near = suggest(word, known);
  if (near !== null) return `: did you mean \`${near}\`?`;
  return known.size === 0 || known.size > 10 ? '' : `; there are: ${[...known].join(', ')}`;
}
