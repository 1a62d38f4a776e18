import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, HostTable } from './host-table.ts';

const gateway = (name: string): Gateway => ({ name }) as Gateway;
const shop = gateway('shop');
const wide = gateway('wide');
const narrow = gateway('narrow');
const other = gateway('other');
const table = new HostTable(
  new Map([
    ['shop.example', shop],
    ['[::1]', shop],
  ]),
  new Map([
    ['.example', wide],
    ['.eu.example', narrow],
  ]),
  other,
);

test('an exact host wins, then the longest suffix, then the catch-all', () => {
  for (let round = 0; round < 2; round++) {
    assert.equal(table.find('shop.example').name, 'shop');
    assert.equal(table.find('shop.example:8443').name, 'shop');
    assert.equal(table.find('SHOP.Example').name, 'shop');
    assert.equal(table.find('shop.example.').name, 'shop');
    assert.equal(table.find('[::1]:8080').name, 'shop');
    assert.equal(table.find('a.example').name, 'wide');
    assert.equal(table.find('a.b.example').name, 'wide');
    assert.equal(table.find('a.eu.example').name, 'narrow');
    assert.equal(table.find('eu.example').name, 'wide');
    assert.equal(table.find('example').name, 'other');
    assert.equal(table.find('').name, 'other');
  }
});

test('endless names under a wildcard are answered without being remembered', () => {
  for (let i = 0; i < 10_000; i++) assert.equal(table.find(`h${i}.example`).name, 'wide');
  assert.equal(table.find('shop.example').name, 'shop');
});
