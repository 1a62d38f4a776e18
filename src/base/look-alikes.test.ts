import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldName, HeaderBlock, hashByte } from './headers.ts';
import { LookAlikes } from './look-alikes.ts';

const covers = (names: readonly string[], text: string): boolean => new LookAlikes(names).covers(text, 0, text.length);

test('every spelling that is the same to somebody', () => {
  for (const text of ['x-user-id', 'X-User-Id', 'X_USER_ID', 'x_user-id', 'x.user.id', 'x~user|id']) {
    assert.ok(covers(['x-user-id'], text), text);
  }
  for (const text of ['x-user-ids', 'xx-user-id', 'x-user', 'xuser-id', 'x-user-1d', 'x--userid', '']) {
    assert.ok(!covers(['x-user-id'], text), text);
  }
  assert.ok(covers(['x-a', 'x_b'], 'X-B'));
});

test('a name longer than any word of the machine', () => {
  const long = `x-${'a'.repeat(64)}`;
  assert.ok(covers([long], long.toUpperCase()));
  assert.ok(!covers([long], `y-${'a'.repeat(64)}`));
});

/** A section as the parser makes it. */
function received(names: readonly string[]): HeaderBlock {
  const block = new HeaderBlock();
  const lines = names.map((name) => `${name}: 1\r\n`);
  block.reset(lines.join(''));
  let at = 0;
  for (const [index, name] of names.entries()) {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = hashByte(hash, name.charCodeAt(i));
    const colon = at + name.length;
    block.receive(hash, at, colon, colon + 2, colon + 3, index % 2 === 1);
    at += (lines[index] as string).length;
  }
  return block;
}

test('a section loses just these fields, wherever they come from', () => {
  const part = fc.constantFrom('x-user-id', 'X_User_Id', 'x.user.id', 'x-user', 'accept', 'x_user_idx', 'X-USER-ID');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(part, { maxLength: 4 }), (names, added) => {
      const block = received(names);
      for (const name of added) block.add(fieldName(name), '2');
      block.removeCovered(new LookAlikes(['x-user-id']));
      const keep = (name: string): boolean => !/^x[-_.]user[-_.]id$/i.test(name);
      const left: string[] = [];
      block.forEach((name) => {
        left.push(name);
      });
      const forwarded = names.filter((name, index) => keep(name) && index % 2 === 0);
      assert.deepEqual(
        left,
        [...forwarded, ...added.filter(keep)].map((name) => name.toLowerCase()),
      );
      for (const name of names) assert.equal(block.has(fieldName(name)), keep(name));
    }),
  );
});
