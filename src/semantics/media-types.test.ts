import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MediaTypes } from './media-types.ts';

const types = new MediaTypes(['text/*', 'application/json', 'application/*+json', 'Image/SVG+XML']);

test('types match exactly, by their first part, or by their family', () => {
  for (const text of [
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'text/plain;charset=utf-8',
    'application/json',
    ' application/json ; a=b',
    'application/problem+json',
    'image/svg+xml',
  ]) {
    assert.ok(types.has(text), text);
    assert.ok(types.has(text), `${text} again`);
  }
  for (const text of [undefined, '', 'text', 'application/jsonp', 'application/xml', 'image/png', 'x-text/html']) {
    assert.ok(!types.has(text), String(text));
  }
});

test('no wildcard means events', () => {
  assert.ok(!types.has('text/event-stream'));
  assert.ok(!new MediaTypes(['*/*']).has('text/event-stream; charset=utf-8'));
  assert.ok(new MediaTypes(['*/*', 'text/event-stream']).has('text/event-stream; charset=utf-8'));
});

test('everything is everything that is a type', () => {
  assert.ok(new MediaTypes(['*/*']).has('image/png'));
  assert.ok(!new MediaTypes(['*/*']).has('nonsense'));
});

test('parameters that change all the time do not fill the memory', () => {
  for (let i = 0; i < 1_000; i++) assert.ok(types.has(`text/html; boundary=${i}`));
});

test('what a pattern is', () => {
  for (const text of ['text/html', 'text/*', '*/*', 'application/*+json', 'application/vnd.api+json']) {
    assert.ok(MediaTypes.isPattern(text), text);
  }
  for (const text of ['', 'text', 'text/', '/html', '*', '*/html', 'text/h*l', 'text/html; charset=utf-8', 'a/b/c']) {
    assert.ok(!MediaTypes.isPattern(text), text);
  }
});
