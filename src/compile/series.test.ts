import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkText } from '../../test/support/compiled.ts';
import { manyRoutes } from '../../test/support/many-routes.ts';
import { OTHER_ROUTES } from '../shared-memory/metrics.ts';
import { assignSeries, type KnownSeries, noSeries } from './series.ts';

async function seriesOf(text: string, known: KnownSeries) {
  const { document } = await checkText(text);
  assert.ok(document);
  return assignSeries(document, known);
}

test('names keep their series over reloads, and new ones get the next', async () => {
  const one = await seriesOf('routes: { /a: http://127.0.0.1:1, /b: http://127.0.0.1:2 }', noSeries);
  const two = await seriesOf('routes: { /c: http://127.0.0.1:3, /b: http://127.0.0.1:2 }', one.series);
  const at = (assigned: typeof one, name: string) =>
    assigned.document.routes.find((route) => route.name === name)?.series;
  assert.equal(at(two, '/b'), at(one, '/b'));
  assert.equal(at(two, '/c'), 3);
  assert.deepEqual(
    two.series.routes.map(({ route }) => route),
    ['unmatched', '/a', '/b', '/c'],
  );
  assert.deepEqual(
    two.document.upstreams.map(({ name, series }) => [name, series]),
    [
      ['http://127.0.0.1:3', 2],
      ['http://127.0.0.1:2', 1],
    ],
  );
});

test('routes beyond the table share the last series', async () => {
  const used = Array.from({ length: OTHER_ROUTES - 3 }, (_, series) => ({
    series,
    gateway: 'old',
    route: `r${series}`,
  }));
  const { document, series } = await seriesOf(manyRoutes(10), { routes: used, upstreams: [] });
  assert.equal(series.routes.length, OTHER_ROUTES);
  assert.equal(document.routes.at(-1)?.series, OTHER_ROUTES);
});
