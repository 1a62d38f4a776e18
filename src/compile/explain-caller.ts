import { suggest } from '../base/suggest.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { Identifier } from '../plan/identifier.ts';
import type { Registry } from '../plan/registry.ts';
import { ServiceError } from '../plan/service.ts';
import { identityOf } from '../policies/auth/identity.ts';
import { noFeeds } from './feeds.ts';
import { openIdentifier } from './open-identifier.ts';
import type { AuthEntryDocument } from './plan-document.ts';
import { unasked } from './unasked.ts';

/**
 * Who calls, for an explanation: nothing here can verify a credential, so the caller is assumed. `unknown` leaves open what
 * depends on it.
 */
export type ExplainedCaller = AssumedCaller | 'anonymous' | 'unknown';

export interface AssumedCaller extends Omit<Identity, 'method'> {
  /** The entry of `auth` that vouches for it; null: the first that the route takes. */
  readonly entry: string | null;
}

/** The entries of `auth`, as far as they can be put to work without anybody to ask. */
export class ExplainedEntries {
  readonly #documents: ReadonlyMap<string, AuthEntryDocument>;
  readonly #opened = new Map<string, Identifier>();

  constructor(documents: readonly AuthEntryDocument[], registry: Registry) {
    this.#documents = new Map(documents.map((document) => [document.entry, document]));
    for (const document of documents) this.#opened.set(document.entry, open(document, registry));
  }

  /** Why there is no such caller by this configuration, in words; null: there may be one. */
  whyNot({ entry, consumer }: AssumedCaller): string | null {
    const consumers = new Set(
      [...this.#documents.values()].flatMap((document) => document.consumers.map(([name]) => name)),
    );
    if (entry !== null && !this.#documents.has(entry)) return missing('entry of `auth`', entry, this.#documents.keys());
    return consumer === null || consumers.has(consumer) ? null : missing('consumer', consumer, consumers);
  }

  /** The caller as the entry would describe it: with what the configuration says about its consumer. */
  identity(caller: AssumedCaller, entry: string): Identity {
    const document = this.#documents.get(entry);
    const consumers = new Map(document?.consumers ?? []);
    return identityOf(caller, { entry, consumers, defaultPlan: document?.plan ?? null });
  }

  /** An entry that knows this caller and nobody else. `first`: the one that vouches when the caller names none. */
  identifier(entry: string, caller: ExplainedCaller, first: string | undefined): Identifier {
    const opened = this.#opened.get(entry) ?? unasked(entry);
    if (typeof caller === 'string' || (caller.entry ?? first) !== entry) return opened;
    const identity = this.identity(caller, entry);
    return { ...opened, identify: () => identity };
  }
}

function missing(what: string, name: string, known: Iterable<string>): string {
  const near = suggest(name, known);
  return `the configuration has no ${what} \`${name}\`${near === null ? '' : `: did you mean \`${near}\`?`}`;
}

/** What it says to who shows no credential; it is never asked to judge one. */
function open(document: AuthEntryDocument, registry: Registry): Identifier {
  const nobody = unasked(document.entry);
  try {
    const { identifier, close } = openIdentifier(document, registry, {
      feeds: noFeeds,
      log: { write: () => undefined },
      problem: () => undefined,
      service: () => ({
        ask: () => Promise.reject(new ServiceError('connect', 'nobody is asked for an explanation')),
        close: () => undefined,
      }),
    });
    const { place, challenge, invite } = identifier;
    close();
    return { ...nobody, place, challenge, invite: invite === null ? null : (exchange) => tryInvite(invite, exchange) };
  } catch {
    return nobody;
  }
}

/** What an invitation needs may be known to a running gateway only. */
function tryInvite(invite: NonNullable<Identifier['invite']>, exchange: Exchange): ReturnType<typeof invite> {
  try {
    return invite(exchange);
  } catch {
    return undefined;
  }
}
