import { randomBytes, scrypt } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { formatScrypt } from '../semantics/password-hash.ts';
import { CommandError, print } from './outcome.ts';

/** Some 0.3 s and 128 MiB, as OWASP's Password Storage Cheat Sheet has it. */
const PARAMETERS = { cost: 2 ** 17, blockSize: 8, parallelization: 1 };
const SALT_BYTES = 16;
const DIGEST_BYTES = 32;

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

export function define(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nThe password is read from standard input: one on the command line would be seen by others.\nExample: `printf %s "$PASSWORD" | sluice hash-password`; the output goes to `basic.users.NAME`.',
    )
    .action(hashPassword);
}

async function hashPassword(): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write('Password (it is shown; end with Ctrl-D): ');
  const password = (await text(process.stdin)).replace(/\r?\n$/, '').normalize('NFC');
  if (password === '') throw new CommandError('there is no password on standard input');
  // RFC 7617, 2: no client could send it.
  if (/[\0-\x1f\x7f]/.test(password)) throw new CommandError('a password has no control characters');
  const salt = randomBytes(SALT_BYTES);
  const digest = await derive(password, salt, DIGEST_BYTES, { ...PARAMETERS, maxmem: 256 * 1024 * 1024 });
  print(formatScrypt({ ...PARAMETERS, salt, digest }));
}
