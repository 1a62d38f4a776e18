import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRedisUrl, type RedisUrl } from './redis-url.ts';

const plain: RedisUrl = {
  tls: false,
  host: '127.0.0.1',
  port: 6379,
  path: null,
  username: null,
  password: null,
  database: 0,
};

describe('URL of Redis', () => {
  for (const [text, expected] of [
    ['redis://127.0.0.1', plain],
    ['redis://127.0.0.1:6379/', plain],
    ['valkey://127.0.0.1:6379/0', plain],
    ['rediss://redis.example:6380/2', { ...plain, tls: true, host: 'redis.example', port: 6380, database: 2 }],
    ['redis://[::1]:7000', { ...plain, host: '::1', port: 7000 }],
    ['redis://:p%40ss@127.0.0.1', { ...plain, password: 'p@ss' }],
    ['redis://gateway:s3cret@127.0.0.1/15', { ...plain, username: 'gateway', password: 's3cret', database: 15 }],
    ['unix:/run/redis.sock', { ...plain, host: 'localhost', port: 0, path: '/run/redis.sock' }],
    ['unix:///run/redis.sock', { ...plain, host: 'localhost', port: 0, path: '/run/redis.sock' }],
  ] as const) {
    it(`takes ${text} apart`, () => assert.deepEqual(parseRedisUrl(text), { ok: true, value: expected }));
  }

  for (const text of [
    '',
    '127.0.0.1:6379',
    'http://127.0.0.1:6379',
    'redis://',
    'redis:///0',
    'redis://127.0.0.1/one',
    'redis://127.0.0.1/1/2',
    'redis://127.0.0.1/1?timeout=5',
    'redis://127.0.0.1/123456',
    'redis://127.0.0.1:70000',
    'redis://user:%zz@127.0.0.1',
    'unix:redis.sock',
  ]) {
    it(`refuses ${text === '' ? 'nothing' : text} with words`, () => {
      const parsed = parseRedisUrl(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.remedy, /\.$/);
    });
  }

  it('never repeats a password, and never throws', () => {
    fc.assert(
      fc.property(fc.constantFrom('redis://', 'rediss:/', 'redis:', ''), fc.string(), (before, after) => {
        const parsed = parseRedisUrl(`${before}user:verysecret@${after}`);
        if (!parsed.ok) assert.doesNotMatch(parsed.message + parsed.remedy, /verysecret/);
      }),
    );
  });
});
