import { answering, connectRaw, OK, type RawPeer, type RawUpstream, startRawUpstream } from './raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from './runtime.ts';

/** A gateway before several endpoints of one upstream. */
export const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

export interface Stage extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly upstreams: readonly RawUpstream[];
}

/** With endpoints that answer, or do what `onConnection` says. */
export async function stage(
  upstreamOptions: RuntimeOptions['upstreamOptions'],
  count = 1,
  onConnection: (peer: RawPeer, index: number) => void = answering(() => OK),
): Promise<Stage> {
  const upstreams: RawUpstream[] = [];
  for (let i = 0; i < count; i++) upstreams.push(await startRawUpstream(onConnection));
  const runtime = await startRuntime({
    upstreams: upstreams.map(({ url }) => url),
    upstreamOptions: upstreamOptions ?? {},
  });
  return {
    runtime,
    upstreams,
    async [Symbol.asyncDispose]() {
      runtime.stop();
      for (const upstream of upstreams) await upstream.close();
    },
  };
}

export async function clients(runtime: Runtime, count: number): Promise<RawPeer[]> {
  return await Promise.all(Array.from({ length: count }, () => connectRaw(runtime.port)));
}

/** Asks once on a fresh connection. */
export async function ask(
  port: number,
  request = GET,
): Promise<{ status: number; code: string | undefined; retryAfter: string | undefined }> {
  const client = await connectRaw(port);
  client.send(request);
  const answer = await client.response();
  client.destroy();
  const problem = answer.field('content-type') === 'application/problem+json';
  const code = problem ? (JSON.parse(answer.body.toString()) as { code: string }).code : undefined;
  return { status: answer.status, code, retryAfter: answer.field('retry-after') };
}

/** How many each endpoint has had. */
export function connectionsOf({ upstreams }: Stage): number[] {
  return upstreams.map(({ connections }) => connections.length);
}
