import type { Command } from 'commander';
import type { UpstreamView } from '../supervisor/upstreams/upstream-view.ts';
import { askGateway } from './admin-client.ts';
import { type ConfigOptions, configFiles, withConfig, withJson } from './options.ts';
import { print, printJson } from './outcome.ts';
import { readAnswer } from './read-answer.ts';
import { renderUpstreams } from './render-upstreams.ts';

interface DrainOptions extends ConfigOptions {
  readonly force?: boolean;
}

const UPSTREAM = 'name of an upstream, or the URL that a route names';
const ENDPOINT = 'URL of an endpoint, as the list shows it';

export function define(command: Command): void {
  const add = (usage: string, summary: string): Command =>
    withJson(withConfig(command.command(usage).description(summary)))
      .argument('<name>', UPSTREAM)
      .argument('<url>', ENDPOINT);
  withJson(withConfig(command))
    .argument('[name]', `${UPSTREAM}; all when left out`)
    .action((name: string | undefined, _options: ConfigOptions, self: Command) => list(name, self.opts()));
  add('drain', 'send no more calls to an endpoint, until `undrain` or the end of the process')
    .option('--force', 'also when it is the last one in service')
    .action((name: string, url: string, _options: DrainOptions, self: Command) => change('drain', name, url, self));
  add('undrain', 'send calls to it again').action((name: string, url: string, _options: DrainOptions, self: Command) =>
    change('undrain', name, url, self),
  );
}

async function list(name: string | undefined, options: ConfigOptions): Promise<void> {
  const query = name === undefined ? '' : `?name=${encodeURIComponent(name)}`;
  const answer = await askGateway(configFiles(options), 'GET', `/upstreams${query}`);
  const { upstreams } = readAnswer<{ upstreams: UpstreamView[] }>(answer, 200);
  if (options.json) printJson(upstreams);
  else if (upstreams.length === 0) print('There are no upstreams.');
  else print(renderUpstreams(upstreams, Date.now()));
}

async function change(what: 'drain' | 'undrain', upstream: string, endpoint: string, command: Command): Promise<void> {
  // Options may stand before the name of the subcommand too.
  const options = command.optsWithGlobals<DrainOptions>();
  const body = { upstream, endpoint, ...(options.force && { force: true }) };
  const answer = await askGateway(configFiles(options), 'POST', `/upstreams/${what}`, body);
  const view = readAnswer<UpstreamView>(answer, 200);
  if (options.json) printJson(view);
  else print(renderUpstreams([view], Date.now()));
}
