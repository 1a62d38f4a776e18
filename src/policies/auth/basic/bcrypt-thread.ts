import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

/** Computes bcrypt for one worker of the gateway: see `bcrypt.ts`. */
export interface BcryptQuestion {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}
export interface BcryptAnswer {
  readonly id: number;
  readonly matches: boolean;
}

parentPort?.on('message', ({ id, password, hash }: BcryptQuestion) => {
  parentPort?.postMessage({ id, matches: compareSync(password, hash) } satisfies BcryptAnswer);
});
