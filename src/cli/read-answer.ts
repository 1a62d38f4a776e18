import type { AdminAnswer } from '../admin/client.ts';
import { CommandError } from './outcome.ts';

/** The body of an answer that went well; anything else ends the command with what the gateway said. */
export function readAnswer<T>({ status, body }: AdminAnswer, expected: number): T {
  if (status === expected) return body as T;
  const { title = `the gateway answered ${status}` } = body as { title?: string };
  throw new CommandError(title);
}
