import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A port on which connections neither open nor fail. */
export interface BlackHole {
  readonly port: number;
  readonly url: string;
  close(): void;
}

const LISTEN = `
const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  process.stdout.write(String(server.address().port));
});
`;
/** More than the queue of a listener with a backlog of 1 takes. */
const FILLING = 8;

/** A listener that is stopped and has a full queue: the kernel leaves further connections unanswered. */
export async function startBlackHole(): Promise<BlackHole> {
  const listener = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await once(listener.stdout, 'data')) as [Buffer];
  const port = Number(text.toString());
  listener.kill('SIGSTOP');
  const filling: Socket[] = [];
  for (let i = 0; i < FILLING; i++) filling.push(connect(port, '127.0.0.1').on('error', () => undefined));
  await once(filling[0] as Socket, 'connect');
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close() {
      for (const socket of filling) socket.destroy();
      listener.kill('SIGKILL');
    },
  };
}
