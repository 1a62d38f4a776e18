import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { ask, checkText, planOf, testPorts } from '../../test/support/compiled.ts';
import { failing } from '../../test/support/dispatch.ts';
import { errors } from '../base/gateway-error.ts';
import type { Gate } from '../plan/admission.ts';
import type { Dispatch } from '../plan/call.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import { Resources } from './resources.ts';

/** What options of policies name: upstreams with their own layers, and handlers where they stand. */

test('a policy that names an upstream calls it through the layers of that upstream', async () => {
  const asked: string[] = [];
  const gate: Gate = {
    guard:
      (next): Dispatch =>
      (call, sink) => {
        asked.push('its gate');
        next(call, sink);
      },
  };
  const upstreams = new Resources<UpstreamOptions, Upstream>((options) => ({
    options,
    dispatch: (call, sink) => {
      asked.push(options.name);
      if (options.name === 'dead') failing(errors.upstreamConnect)(call, sink);
      else sink.end(null);
    },
    close: () => undefined,
  }));
  const checked = await checkText(`upstreams:
  dead: http://127.0.0.1:1
  copy: { targets: [http://127.0.0.1:2], concurrency: 5 }
routes: { /*: { to: dead, fallback: { to: copy } } }
`);
  ask(await planOf(checked, testPorts({ upstreams, gate: () => gate })), 'GET', 'http://h/');
  assert.deepEqual(asked, ['dead', 'its gate', 'copy']);
});

test('a URL is as good as a name, and is one upstream however often it is named', async () => {
  const ports = testPorts();
  const checked = await checkText(
    'routes: { /*: { to: "http://127.0.0.1:1", mirror: "http://127.0.0.1:2", fallback: { to: "http://127.0.0.1:2" } } }',
  );
  ask(await planOf(checked, ports), 'GET', 'http://h/');
  assert.deepEqual(
    ports.calls.map(({ upstream }) => upstream),
    ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
  );
  assert.equal(ports.opened.length, 2);
});

test('a handler stands beside the file that names it, and is loaded once', async () => {
  const route = (name: string) => `routes: { /${name}: { to: dead, fallback: { handler: ./offline.ts } } }\n`;
  const code = 'export default () => new Response();\n';
  const checked = await checkText(
    'upstreams: { dead: http://127.0.0.1:1 }\ninclude: [one/routes.yaml, two/routes.yaml]\n',
    {
      'one/routes.yaml': route('a'),
      'one/offline.ts': code,
      'two/routes.yaml': `${route('b').replace(' } }\n', ' }, /c: { to: dead, fallback: { handler: ./offline.ts } } }\n')}`,
      'two/offline.ts': code,
    },
  );
  const loaded: string[] = [];
  const handler = (file: string): Dispatch => {
    loaded.push(`${basename(dirname(file))}/${basename(file)}`);
    return (_call, sink) => sink.end(null);
  };
  await planOf(checked, testPorts({ handler }));
  assert.deepEqual(loaded.sort(), ['one/offline.ts', 'two/offline.ts']);
  assert.ok(checked.codeFiles.length === 2);
});
