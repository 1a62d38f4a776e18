import type { Parsed } from '../base/units.ts';

/**
 * Password hashes as they are written down: PHC strings of scrypt (RFC 7914) and Argon2id (RFC 9106), and the modular
 * crypt form of bcrypt. Reading one does no work with it.
 */
export type PasswordHash = ScryptHash | Argon2Hash | BcryptHash;

export interface ScryptHash {
  readonly kind: 'scrypt';
  /** N of RFC 7914. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly digest: Buffer;
}
export interface Argon2Hash {
  readonly kind: 'argon2id';
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly digest: Buffer;
}
export interface BcryptHash {
  readonly kind: 'bcrypt';
  /** Binary logarithm of the rounds. */
  readonly cost: number;
  readonly text: string;
}

/** Two verifications at once for each worker must fit into a small machine. */
const MAX_MEMORY_KIB = 256 * 1024;
/** About five seconds of one core. */
const MAX_BCRYPT_COST = 15;
/** What bcrypt looks at; htpasswd and others cut a longer password off. */
export const BCRYPT_BYTES = 72;

const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const REMEDY = 'Make one with `sluice hash-password`, or with `htpasswd -nbB`.';

export function parsePasswordHash(text: string): Parsed<PasswordHash> {
  if (text.startsWith('$scrypt$')) return parseScrypt(text);
  if (text.startsWith('$argon2id$')) return parseArgon2(text);
  const bcrypt = BCRYPT.exec(text);
  if (bcrypt !== null) {
    const cost = Number(bcrypt[1]);
    if (cost < 4) return refuse('bcrypt has a cost of at least 4');
    if (cost > MAX_BCRYPT_COST) return refuse(`a bcrypt cost above ${MAX_BCRYPT_COST} takes a core for many seconds`);
    return { ok: true, value: { kind: 'bcrypt', cost, text } };
  }
  if (/^\$2[aby]\$/.test(text)) return refuse('this bcrypt hash is not complete');
  if (/^\$argon2[di]\$/.test(text)) return refuse('of the Argon2 variants only `argon2id` is taken');
  if (/^(\$apr1\$|\$[156y]\$|\{SHA\})/.test(text)) return refuse('this kind of hash is too fast to protect a password');
  return refuse('this is not the hash of a password');
}

/** What makes guessing cheap, in words; null: nothing does. After OWASP's Password Storage Cheat Sheet. */
export function weaknessOf(hash: PasswordHash): string | null {
  switch (hash.kind) {
    case 'scrypt':
      return hash.cost < 2 ** 13 || hash.cost * hash.blockSize * hash.parallelization < 2 ** 16 * 10
        ? '`ln=17,r=8,p=1`'
        : null;
    case 'argon2id':
      return hash.memory < 7 * 1024 || hash.memory * hash.passes < 35 * 1024 ? '`m=19456,t=2,p=1`' : null;
    case 'bcrypt':
      return hash.cost < 10 ? 'a cost of 10' : null;
  }
}

export function formatScrypt({ cost, blockSize, parallelization, salt, digest }: Omit<ScryptHash, 'kind'>): string {
  return `$scrypt$ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}$${unpadded(salt)}$${unpadded(digest)}`;
}

function parseScrypt(text: string): Parsed<PasswordHash> {
  const match = SCRYPT.exec(text);
  if (match === null) return refuse('this scrypt hash is not well-formed', 'Write `$scrypt$ln=17,r=8,p=1$SALT$HASH`.');
  const [logarithm, blockSize, parallelization] = match.slice(1, 4).map(Number) as [number, number, number];
  const bytes = readBytes(match[4], match[5]);
  if (bytes === null) return refuse('the salt or the hash has a wrong length');
  if (logarithm < 1 || logarithm > 30 || blockSize < 1 || parallelization < 1 || parallelization > 16) {
    return refuse('these parameters of scrypt are out of bounds');
  }
  const cost = 2 ** logarithm;
  if ((cost * blockSize) / 8 > MAX_MEMORY_KIB) return tooMuchMemory();
  return { ok: true, value: { kind: 'scrypt', cost, blockSize, parallelization, ...bytes } };
}

function parseArgon2(text: string): Parsed<PasswordHash> {
  const match = ARGON2ID.exec(text);
  if (match === null) {
    return refuse('this Argon2id hash is not well-formed', 'Write `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.');
  }
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number) as [number, number, number];
  const bytes = readBytes(match[4], match[5]);
  if (bytes === null) return refuse('the salt or the hash has a wrong length');
  if (passes < 1 || passes > 64 || parallelism < 1 || parallelism > 16 || memory < 8 * parallelism) {
    return refuse('these parameters of Argon2id are out of bounds');
  }
  if (memory > MAX_MEMORY_KIB) return tooMuchMemory();
  return { ok: true, value: { kind: 'argon2id', memory, passes, parallelism, ...bytes } };
}

function readBytes(salt = '', digest = ''): { salt: Buffer; digest: Buffer } | null {
  const bytes = { salt: Buffer.from(salt, 'base64'), digest: Buffer.from(digest, 'base64') };
  if (unpadded(bytes.salt) !== salt || unpadded(bytes.digest) !== digest) return null;
  const fits = bytes.salt.length >= 8 && bytes.salt.length <= 64;
  return fits && bytes.digest.length >= 16 && bytes.digest.length <= 64 ? bytes : null;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

function tooMuchMemory(): Parsed<PasswordHash> {
  return refuse(`verifying this takes more than ${MAX_MEMORY_KIB / 1024} MiB of memory`);
}

function refuse(message: string, remedy = REMEDY): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}
