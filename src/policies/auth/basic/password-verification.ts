import { Buffer } from 'node:buffer';
import { type Argon2Parameters, argon2, scrypt, timingSafeEqual } from 'node:crypto';
import { BCRYPT_BYTES, type PasswordHash } from '../../../semantics/password-hash.ts';
import { verifyBcrypt } from './bcrypt.ts';

/** Whether a hash is that of a password; the work is done by other threads. Rejects when it cannot be done. */
export async function verifyPassword(password: string, hash: PasswordHash): Promise<boolean> {
  switch (hash.kind) {
    case 'scrypt':
      return timingSafeEqual(await deriveScrypt(password, hash), hash.digest);
    case 'argon2id':
      return timingSafeEqual(await deriveArgon2(password, hash), hash.digest);
    case 'bcrypt': {
      const matches = await verifyBcrypt(password, hash.text);
      // Everything behind that length is ignored, so that another password would do as well.
      return matches && Buffer.byteLength(password) <= BCRYPT_BYTES;
    }
  }
}

function deriveScrypt(password: string, hash: PasswordHash & { kind: 'scrypt' }): Promise<Buffer> {
  const { cost, blockSize, parallelization, salt, digest } = hash;
  const maxmem = 256 * cost * blockSize + 256 * blockSize * parallelization + 1024 * 1024;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, digest.length, { cost, blockSize, parallelization, maxmem }, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}

function deriveArgon2(password: string, hash: PasswordHash & { kind: 'argon2id' }): Promise<Buffer> {
  const { memory, passes, parallelism, salt, digest } = hash;
  const parameters: Argon2Parameters = {
    message: password,
    nonce: salt,
    parallelism,
    tagLength: digest.length,
    memory,
    passes,
  };
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}
