import { z } from 'zod';
import { count, duration, listOf, secret } from '../../../plan/fields.ts';
import type { Consumer, OptionProblem } from '../../../plan/identifier.ts';
import { isBasicUser, parseHtpasswd } from '../../../semantics/basic-credentials.ts';
import { parsePasswordHash, weaknessOf } from '../../../semantics/password-hash.ts';

/** What an entry with user names and passwords may say, and who its users are. */

const hash = secret(
  z
    .string()
    .meta({ expects: 'the hash of a password' })
    .superRefine((text, context) => {
      const parsed = parsePasswordHash(text);
      if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
    }),
);

const userName = z.string().superRefine((name, context) => {
  if (isBasicUser(name)) return;
  const remedy = 'Leave out colons and control characters.';
  context.addIssue({ code: 'custom', message: 'no client can send this name', params: { remedy } });
});

const htpasswd = secret(
  z.string().superRefine((text, context) => {
    for (const [index, entry] of parseHtpasswd(text).entries()) {
      const parsed = entry === null ? null : parsePasswordHash(entry[1]);
      if (parsed?.ok) continue;
      const who = entry === null ? `entry ${index + 1}` : `the user \`${entry[0]}\``;
      const why = parsed === null ? 'this is not `user:hash`' : parsed.message;
      const remedy = parsed === null ? 'Write one `user:hash` a line.' : parsed.remedy;
      context.addIssue({ code: 'custom', message: `${who}: ${why}`, params: { remedy } });
    }
  }),
);

export const basicOptions = z
  .strictObject({
    users: z
      .record(
        userName,
        z.union([
          hash,
          z.strictObject({
            password: hash.describe('The hash of the password.'),
            consumer: z.string().min(1).optional().describe('The entry of `consumers` that this user is.'),
            roles: listOf(z.string().min(1)).default([]).describe('Roles of this user.'),
            groups: listOf(z.string().min(1)).default([]).describe('Groups of this user.'),
          }),
        ]),
      )
      .default({})
      .describe('Users by name, each with the scrypt, Argon2id or bcrypt hash of the password.'),
    htpasswd: htpasswd.optional().describe('Further users in lines `user:hash`, such as `${file:users.htpasswd}`.'),
    realm: z
      .string()
      .regex(/^[ !#-[\]-~]+$/)
      .meta({ expects: 'plain text without quotes' })
      .default('restricted')
      .describe('What a browser shows when it asks for the password.'),
    remember: duration({ min: 0, max: 3_600_000 })
      .prefault('1m')
      .describe('How long a worker takes verified credentials without hashing the password again.'),
    concurrency: count(1, 16).default(2).describe('Passwords that a worker verifies at once.'),
    pending: count(1, 10_000).default(64).describe('Verifications of a worker that may wait; past it 503.'),
    keep: z.boolean().default(false).describe('Let the service see the password.'),
  })
  .refine(({ users, htpasswd: text = '' }) => Object.keys(users).length + parseHtpasswd(text).length > 0, {
    message: 'this names no user',
    params: { remedy: 'Add `users` or `htpasswd`.' },
  });

export type BasicOptions = z.output<typeof basicOptions>;

export function checkBasic(given: BasicOptions, consumers: ReadonlyMap<string, Consumer>): OptionProblem[] {
  const problems: OptionProblem[] = [];
  for (const { name, text, path } of writtenUsers(given)) {
    const parsed = parsePasswordHash(text);
    const stronger = parsed.ok ? weaknessOf(parsed.value) : null;
    if (stronger === null) continue;
    const message = `the password hash of \`${name}\` makes guessing cheap`;
    const remedy = `Hash the password again, with ${stronger} or more.`;
    problems.push({ severity: 'warning', code: 'weak-password-hash', message, remedy, path });
  }
  for (const [name, user] of Object.entries(given.users)) {
    if (typeof user === 'string' || user.consumer === undefined || consumers.has(user.consumer)) continue;
    const message = `there is no consumer \`${user.consumer}\``;
    const remedy = 'Add it to `consumers`.';
    problems.push({
      severity: 'error',
      code: 'unknown-consumer',
      message,
      remedy,
      path: ['users', name, 'consumer'],
    });
  }
  return problems;
}

/** A user as the configuration has it. */
export interface WrittenUser {
  readonly name: string;
  readonly text: string;
  readonly path: readonly (string | number)[];
  readonly consumer?: string | undefined;
  readonly roles?: readonly string[];
  readonly groups?: readonly string[];
}

/** Those of `users` come later, and so win over those of the file. */
export function* writtenUsers({ users, htpasswd: lines }: BasicOptions): Generator<WrittenUser> {
  for (const entry of parseHtpasswd(lines ?? '')) {
    if (entry !== null) yield { name: entry[0], text: entry[1], path: ['htpasswd'] };
  }
  for (const [key, user] of Object.entries(users)) {
    const name = key.normalize('NFC');
    if (typeof user === 'string') yield { name, text: user, path: ['users', key] };
    else yield { name, text: user.password, path: ['users', key, 'password'], ...user };
  }
}
