import { until } from '../harness.ts';
import { connectRaw, type RawPeer, type RawUpstream, readRequests, startRawUpstream } from './raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from './runtime.ts';
import type { StrictRequest } from './strict-http.ts';

/** A gateway between one client and one upstream that say exactly what the test wants: `await using scene = …`. */
export class Scene implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly client: RawPeer;
  readonly upstream: RawUpstream;

  constructor(runtime: Runtime, client: RawPeer, upstream: RawUpstream) {
    this.runtime = runtime;
    this.client = client;
    this.upstream = upstream;
  }

  /** The upstream's end of its first (or another) connection. */
  async server(index = 0): Promise<RawPeer> {
    return await until(`upstream connection ${index}`, () => this.upstream.connections[index]);
  }

  /** The same once it has that many complete requests. */
  async asked(index = 0, count = 1): Promise<{ server: RawPeer; requests: StrictRequest[] }> {
    const server = await this.server(index);
    await server.until(`${count} request(s)`, ({ bytes }) => readRequests(bytes).requests.length >= count);
    return { server, requests: readRequests(server.bytes).requests };
  }

  /** Nothing is left of any exchange: neither counted as active nor connected to the upstream. */
  async idle(): Promise<void> {
    await until('no exchange is active', () => this.runtime.server.active === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    this.runtime.stop();
    await this.upstream.close();
  }
}

export async function openScene(
  options: Omit<RuntimeOptions, 'upstreams'> & { onConnection?: (peer: RawPeer, index: number) => void } = {},
): Promise<Scene> {
  const upstream = await startRawUpstream(options.onConnection);
  const runtime = await startRuntime({ ...options, upstreams: upstream.url });
  return new Scene(runtime, await connectRaw(runtime.port), upstream);
}
