import { Agent, request } from 'node:http';

/** What clients on kept connections were answered, each asking again as soon as it has its answer. */
export interface LimitLoad {
  readonly accepted: number;
  readonly refused: number;
  readonly others: readonly number[];
  /** Seconds between the decisions about the first and the last request: at least, at most. */
  readonly shortest: number;
  readonly longest: number;
}

/** For so long, and until there was more demand than the limit lets pass. */
export async function runLimitLoad(url: string, clients: number, milliseconds: number): Promise<LimitLoad> {
  const start = performance.now();
  let firstAnswered = Number.POSITIVE_INFINITY;
  let lastSent = 0;
  let lastAnswered = 0;
  let accepted = 0;
  let refused = 0;
  const others: number[] = [];

  const ask = (agent: Agent): Promise<void> =>
    new Promise((resolve, reject) => {
      const sentAt = performance.now();
      const sent = request(url, { agent });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const { statusCode = 0 } = response;
        lastAnswered = performance.now();
        firstAnswered = Math.min(firstAnswered, lastAnswered);
        if (statusCode === 429) {
          refused++;
          lastSent = Math.max(lastSent, sentAt);
        } else if (statusCode === 200) accepted++;
        else others.push(statusCode);
        response.resume().once('end', resolve);
      });
      sent.end();
    });
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (performance.now() < start + milliseconds || refused < clients) await ask(agent);
    agent.destroy();
  };
  await Promise.all(Array.from({ length: clients }, client));
  return {
    accepted,
    refused,
    others,
    shortest: (lastSent - firstAnswered) / 1000,
    longest: (lastAnswered - start) / 1000,
  };
}
