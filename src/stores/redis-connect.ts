import { formatServer, type RedisServer, type RedisSettings } from './settings.ts';

export type RedisClient = Awaited<ReturnType<typeof makeClient>>;

/** 28 MB of memory and a quarter of a second: only where there is a Redis. */
export function redisLibrary(): Promise<typeof import('@redis/client')> {
  return import('@redis/client');
}

/** The server understood, and says no. */
export async function isRefusal(error: unknown): Promise<boolean> {
  return error instanceof (await redisLibrary()).ErrorReply;
}

/** From the first packet to a server that knows us; asking sentinels comes before it, with the same bound for each. */
const CONNECT_TIMEOUT_MS = 3000;
/** A cluster whose nodes send us on for longer is being put together. */
const MAX_MOVES = 5;

export interface Connection {
  readonly client: RedisClient;
  /** Resolves with the reason as soon as it is no good any more. */
  readonly lost: Promise<string>;
}

/**
 * One connection, ready for commands, to the server that has the records: the server itself, the node of a cluster that
 * `key` belongs to, or the one that sentinels call master. One at a time is all that records need, and whatever happens
 * to it, asking anew where to go is the way on.
 */
export async function connectRedis(settings: RedisSettings, key: string): Promise<Connection> {
  switch (settings.kind) {
    case 'single':
      return firstThat(settings.servers, (server) => connectTo(settings, server));
    case 'cluster':
      return firstThat(settings.servers, (seed) => connectToOwner(settings, seed, key));
    case 'sentinel':
      return connectTo(settings, await firstThat(settings.servers, (sentinel) => askSentinel(settings, sentinel)));
  }
}

/** The first success; the last failure when there is none. */
async function firstThat<T>(servers: readonly RedisServer[], attempt: (server: RedisServer) => Promise<T>): Promise<T> {
  let failure: unknown = new Error('no server is configured');
  for (const server of servers) {
    try {
      return await attempt(server);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function connectToOwner(settings: RedisSettings, seed: RedisServer, key: string): Promise<Connection> {
  let server = seed;
  for (let moves = 0; moves < MAX_MOVES; moves++) {
    const connection = await connectTo(settings, server);
    try {
      await within(CONNECT_TIMEOUT_MS, connection.client.hLen(key));
      return connection;
    } catch (error) {
      connection.client.destroy();
      const owner = (await isRefusal(error)) ? ownerFrom((error as Error).message, server) : null;
      if (owner === null) throw error;
      server = owner;
    }
  }
  throw new Error('the nodes of the cluster do not agree on who has the records');
}

/** `MOVED slot host:port`; an empty host means the one that was asked (cluster specification, MOVED redirection). */
function ownerFrom(refusal: string, asked: RedisServer): RedisServer | null {
  const match = /^MOVED \d+ (.*):(\d+)$/.exec(refusal);
  return match === null ? null : { host: match[1] || asked.host, port: Number(match[2]), path: null };
}

async function askSentinel(settings: RedisSettings, sentinel: RedisServer): Promise<RedisServer> {
  const { master = '', username = null, password = null } = settings.sentinel ?? {};
  const { client } = await connectTo({ ...settings, username, password, database: 0 }, sentinel);
  try {
    const asked: Promise<unknown> = client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]);
    const answer = await within(CONNECT_TIMEOUT_MS, asked);
    const [host, port] = Array.isArray(answer) ? answer : [];
    if (typeof host !== 'string' || !/^\d{1,5}$/.test(String(port))) {
      throw new Error(`the sentinel at ${formatServer(sentinel)} knows no master \`${master}\``);
    }
    return { host, port: Number(port), path: null };
  } finally {
    client.destroy();
  }
}

/** Rejects when it takes too long, when the server refuses, and when it speaks something else. */
async function connectTo(settings: RedisSettings, server: RedisServer): Promise<Connection> {
  const client = await makeClient(settings, server);
  const broken = Promise.withResolvers<string>();
  client.on('error', (error) => {
    // What is no answer leaves commands and answers out of step: nothing on this connection can be believed after it.
    client.destroy();
    broken.resolve(reasonOf(error));
  });
  const connecting = client.connect();
  const failing = broken.promise.then((reason) => {
    throw new Error(reason);
  });
  // It has a say only while connecting.
  failing.catch(() => undefined);
  try {
    await within(CONNECT_TIMEOUT_MS, Promise.race([connecting, failing]));
    return { client, lost: broken.promise };
  } catch (error) {
    client.destroy();
    // The library may be in the middle of opening a socket, which it would leave open.
    connecting.then(
      () => client.destroy(),
      () => undefined,
    );
    throw new Error(`${formatServer(server)}: ${reasonOf(error)}`, { cause: error });
  }
}

async function makeClient(settings: RedisSettings, server: RedisServer) {
  const { createClient } = await redisLibrary();
  const { tls, username, password, database } = settings;
  const common = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false as const };
  return createClient({
    socket: socketOptions(common, tls, server),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    database,
    name: 'sluice',
    // Reconnecting, and what to do meanwhile, is `RedisLine`'s.
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled' as const,
  });
}

function socketOptions(
  common: { connectTimeout: number; reconnectStrategy: false },
  tls: RedisSettings['tls'],
  { host, port, path }: RedisServer,
) {
  if (path !== null) return { ...common, path, tls: false as const };
  if (tls === null) return { ...common, host, port };
  return {
    ...common,
    host,
    port,
    tls: true as const,
    rejectUnauthorized: tls.verify,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
    ...(tls.certificate === null ? {} : { cert: tls.certificate }),
    ...(tls.key === null ? {} : { key: tls.key }),
    ...(tls.serverName === null ? {} : { servername: tls.serverName }),
  };
}

/** The promise goes on, but nobody waits for it. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(milliseconds)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class LateError extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds} ms`);
  }
}

/** What others wrote gets into logs and answers: short, one line, printable. */
export function reasonOf(error: unknown): string {
  const { message, code, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  // Several addresses of one name fail together, without a message of their own.
  const text = message || errors?.[0]?.message || code || String(error);
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}
