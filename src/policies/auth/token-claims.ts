import { z } from 'zod';
import type { Identity } from '../../plan/exchange.ts';
import { listOf } from '../../plan/fields.ts';
import type { IdentifierEnv, Revocations } from '../../plan/identifier.ts';
import { type ClaimPath, parseClaimPath, readName, readNames } from '../../semantics/claim-path.ts';
import type { JsonObject } from '../../semantics/strict-json.ts';
import { identityOf } from './identity.ts';
import { isCallerRevoked } from './revocations.ts';

/** From the claims of a good token to its caller, and to what can be revoked about it. */

function claim() {
  const examples = ['sub', 'realm_access.roles', 'https://shop.example/roles', '/resource_access/my.app/roles'];
  return z.string().min(1).meta({ expects: 'a claim such as `sub` or `realm_access.roles`', examples });
}

/** The part of an entry's options that says which claims tell what. */
export const claimFields = {
  id: listOf(claim()).default(['sub']).describe('Claim that says who it is; of several, the first that is there.'),
  scopes: listOf(claim())
    .default(['scope', 'scp'])
    .describe('Claims with scopes: a list, or text with spaces between.'),
  roles: listOf(claim()).default(['roles']).describe('Claims with roles: a list, or one as text.'),
  groups: listOf(claim()).default(['groups']).describe('Claims with groups: a list, or one as text.'),
  consumer: listOf(claim())
    .default([])
    .describe('Claim that names the consumer, such as `azp` or `client_id`; of several, the first that is there.'),
  plan: listOf(claim())
    .default([])
    .describe('Claim that names the plan, before what the consumer and the entry say; of several, the first there.'),
};

type ClaimNames = Readonly<Record<keyof typeof claimFields, readonly string[]>>;

/** A good token, without its text. */
export interface GoodToken {
  readonly identity: Identity;
  /** `jti`; null: it has none. */
  readonly tokenId: string | null;
  /** `sub` where the identity has another name; null: it has not. */
  readonly subject: string | null;
  /** Seconds since the epoch; null: it does not say. */
  readonly issuedAt: number | null;
}

export class ClaimsReader {
  readonly #env: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>;
  readonly #id: readonly ClaimPath[];
  readonly #scopes: readonly ClaimPath[];
  readonly #roles: readonly ClaimPath[];
  readonly #groups: readonly ClaimPath[];
  readonly #consumer: readonly ClaimPath[];
  readonly #plan: readonly ClaimPath[];

  constructor(names: ClaimNames, env: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>) {
    this.#env = env;
    this.#id = names.id.map(parseClaimPath);
    this.#scopes = names.scopes.map(parseClaimPath);
    this.#roles = names.roles.map(parseClaimPath);
    this.#groups = names.groups.map(parseClaimPath);
    this.#consumer = names.consumer.map(parseClaimPath);
    this.#plan = names.plan.map(parseClaimPath);
  }

  /** Null: nobody can be told apart from others without a name. */
  read(claims: JsonObject): GoodToken | null {
    const id = readName(claims, this.#id);
    if (id === null) return null;
    const identity = identityOf(
      {
        id,
        consumer: readName(claims, this.#consumer),
        plan: readName(claims, this.#plan),
        scopes: readNames(claims, this.#scopes, true),
        roles: readNames(claims, this.#roles, false),
        groups: readNames(claims, this.#groups, false),
        claims,
      },
      this.#env,
    );
    const { jti, sub, iat } = claims;
    return {
      identity,
      tokenId: typeof jti === 'string' ? jti : null,
      subject: typeof sub === 'string' && sub !== id ? sub : null,
      issuedAt: typeof iat === 'number' ? iat : null,
    };
  }
}

/** By itself, by its caller, or by the other name that the issuer has for it. */
export function isTokenRevoked({ identity, tokenId, subject, issuedAt }: GoodToken, revocations: Revocations): boolean {
  return (
    (tokenId !== null && revocations.isRevoked('token', tokenId, issuedAt)) ||
    (subject !== null && revocations.isRevoked('subject', subject, issuedAt)) ||
    isCallerRevoked(identity, issuedAt, revocations)
  );
}
