import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestFeed } from '../../../test/support/feeds.ts';
import { FeedRevocations, type Revoked, revocationKey } from './revocations.ts';

function revocations(...entries: [string, Revoked][]): FeedRevocations {
  const feed = new TestFeed<Revoked>();
  feed.replace(entries);
  return new FeedRevocations(feed);
}

describe('revocations as a worker sees them', () => {
  it('tell kinds and ids apart', () => {
    const revoked = revocations([revocationKey('token', 'a b'), { before: null, until: null }]);
    assert.ok(revoked.isRevoked('token', 'a b', null));
    assert.ok(revoked.isRevoked('token', 'a b', 2_000_000_000));
    for (const [kind, id] of [
      ['token', 'a'],
      ['token', ''],
      ['subject', 'a b'],
      ['key', 'a b'],
    ] as const) {
      assert.ok(!revoked.isRevoked(kind, id, null), `${kind} ${id}`);
    }
  });

  it('leave alone what was issued later', () => {
    const revoked = revocations([revocationKey('subject', 'alice'), { before: 1000, until: null }]);
    assert.ok(revoked.isRevoked('subject', 'alice', 999));
    assert.ok(revoked.isRevoked('subject', 'alice', 1000), 'within the same second');
    assert.ok(!revoked.isRevoked('subject', 'alice', 1001));
    assert.ok(revoked.isRevoked('subject', 'alice', null), 'what does not say when it was issued');
  });

  it('end', () => {
    const now = Date.now();
    const revoked = revocations(
      ['key past', { before: null, until: now - 1 }],
      ['key future', { before: null, until: now + 60_000 }],
    );
    assert.ok(!revoked.isRevoked('key', 'past', null));
    assert.ok(revoked.isRevoked('key', 'future', null));
  });

  it('have the version of what was published', () => {
    const feed = new TestFeed<Revoked>();
    const revoked = new FeedRevocations(feed);
    assert.equal(revoked.version, 0);
    assert.ok(!revoked.isRevoked('token', 'x', null));
    feed.update([['token x', { before: null, until: null }]]);
    assert.equal(revoked.version, 1);
    assert.ok(revoked.isRevoked('token', 'x', null));
  });
});
