import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkText } from '../../test/support/compiled.ts';
import { renderProblems } from './render.ts';

async function shown(text: string): Promise<string> {
  const { problems, sources } = await checkText(text);
  return renderProblems(problems, sources, { color: false });
}

test('a secret that is written in the configuration is in no problem’s excerpt, and carets still fit', async () => {
  const text = await shown(`auth:
  partner: { apiKey: true }
consumers: { acme: { keys: { partner: sesame-open-now }, colour: red } }
routes: { /: { auth: partner, respond: 200 } }
`);
  assert.match(text, /unknown key `colour`/);
  assert.doesNotMatch(text, /sesame/);
  const lines = text.split('\n');
  const at = lines.findIndex((each) => each.includes('colour: red'));
  const [line = '', caret = ''] = lines.slice(at);
  assert.equal(line.indexOf('colour'), caret.indexOf('^'));
});

test('a document of thousands of routes has no secrets to look for twice', async () => {
  const { sources, loaded } = await checkText('routes: { /*: http://127.0.0.1:1 }\n');
  assert.equal(sources, loaded.sources);
});
