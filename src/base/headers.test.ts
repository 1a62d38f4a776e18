import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { FieldLines, type FieldName, fieldName, HeaderBlock, hashByte, prepareName } from './headers.ts';

type Line = readonly [text: string, hop?: boolean];

/** A received section, as a parser would hand it over; text before it stands for the start line. */
function received(...lines: Line[]): HeaderBlock {
  const block = new HeaderBlock();
  receive(block, lines);
  return block;
}

function receive(block: HeaderBlock, lines: readonly Line[], before = 'GET / HTTP/1.1\r\n'): void {
  block.reset('');
  let text = before;
  for (const [line, hop = false] of lines) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1);
    const leading = value.length - value.trimStart().length;
    const start = text.length;
    const valueStart = start + colon + 1 + leading;
    const { hash } = prepareName(line.slice(0, colon).toLowerCase());
    block.receive(hash, start, start + colon, valueStart, valueStart + value.trim().length, hop);
    text += `${line}\r\n`;
  }
  block.text = `${text}\r\n`;
}

const names: Record<string, FieldName> = {};
function name(text: string): FieldName {
  names[text] ??= fieldName(text);
  return names[text];
}

/** `x^y` and `x~y` differ in the bit that folds letters: their hashes are the same. */
const [caret, tilde] = [name('x^y'), name('x~y')];

suite('field names', () => {
  test('are prepared once, in lower case', () => {
    assert.equal(fieldName('Content-Type'), fieldName('content-type'));
    assert.equal(fieldName('Content-Type').prefix, 'content-type: ');
  });

  test('names that peers make up are not kept', () => {
    assert.notEqual(prepareName('x-made-up'), prepareName('x-made-up'));
    assert.deepEqual(prepareName('x-made-up'), fieldName('X-Made-Up'));
  });

  test('the hash folds case', () => {
    let hash = 0;
    for (const character of 'X-OnE') hash = hashByte(hash, character.charCodeAt(0));
    assert.equal(hash, fieldName('x-one').hash);
  });
});

suite('reading', () => {
  const block = received(['Accept: text/html'], ['X-One:  1\t'], ['x-one: 2'], ['Connection: close', true], ['Empty:']);

  test('the first value, without blanks, whatever the case of the name', () => {
    assert.equal(block.get(name('accept')), 'text/html');
    assert.equal(block.get(name('x-one')), '1');
    assert.equal(block.get(name('EMPTY')), '');
    assert.equal(block.get(name('missing')), undefined);
  });

  test('all values, joined', () => {
    assert.equal(block.getAll(name('x-one')), '1, 2');
    assert.equal(block.getAll(name('empty')), '');
    assert.equal(block.getAll(name('missing')), undefined);
  });

  test('presence and number', () => {
    assert.ok(block.has(name('empty')));
    assert.ok(!block.has(name('missing')));
    assert.deepEqual(
      ['x-one', 'accept', 'missing'].map((each) => block.occurrences(name(each))),
      [2, 1, 0],
    );
  });

  test('fields of one hop are read and not forwarded', () => {
    assert.equal(block.get(name('connection')), 'close');
    assert.doesNotMatch(block.serialize(), /connection/i);
  });
});

suite('equal hashes', () => {
  test('there are such names', () => {
    assert.equal(caret.hash, tilde.hash);
    assert.notEqual(caret.lower, tilde.lower);
  });

  test('are told apart by their bytes', () => {
    const block = received(['x^y: 1'], ['X~Y: 2'], ['x^y: 3']);
    assert.equal(block.get(caret), '1');
    assert.equal(block.getAll(tilde), '2');
    assert.equal(block.occurrences(caret), 2);
    block.remove(caret);
    assert.equal(block.serialize(), 'X~Y: 2\r\n');
    assert.equal(block.get(tilde), '2');
    block.set(tilde, '4');
    assert.equal(block.serialize(), 'x~y: 4\r\n');
    assert.equal(block.get(caret), undefined);
  });

  test('a name is not a name that it begins', () => {
    const block = received(['x-on: 1'], ['x-one: 2'], ['x-onee: 3']);
    assert.equal(block.get(name('x-one')), '2');
    assert.equal(block.occurrences(name('x-on')), 1);
  });
});

suite('changing and forwarding', () => {
  test('untouched lines go on as they came', () => {
    const lines = ['Accept:text/html', 'X-One: \t 1 \t', 'EMPTY:', 'x_Y: a:b'];
    assert.equal(received(...lines.map((line) => [line] as const)).serialize(), `${lines.join('\r\n')}\r\n`);
  });

  test('gaps at the beginning, within and at the end', () => {
    const block = received(['a: 1'], ['b: 2'], ['c: 3', true], ['d: 4'], ['e: 5'], ['f: 6']);
    for (const each of ['a', 'e', 'f']) block.remove(name(each));
    assert.equal(block.serialize(), 'b: 2\r\nd: 4\r\n');
    block.remove(name('b'));
    block.remove(name('d'));
    assert.equal(block.serialize(), '');
  });

  test('a line that the parser passed over is a gap', () => {
    const block = new HeaderBlock();
    block.text = 'a: 1\r\nz: 0\r\nb: 2\r\n\r\n';
    block.receive(prepareName('a').hash, 0, 1, 3, 4, false);
    block.receive(prepareName('b').hash, 12, 13, 15, 16, false);
    assert.equal(block.serialize(), 'a: 1\r\nb: 2\r\n');
  });

  test('set replaces all of that name, received and added', () => {
    const block = received(['a: 1'], ['A: 2'], ['b: 3']);
    block.add(name('a'), '4');
    block.set(name('a'), '5');
    assert.equal(block.getAll(name('a')), '5');
    assert.equal(block.serialize(), 'b: 3\r\na: 5\r\n');
  });

  test('add stands beside what is there', () => {
    const block = received(['a: 1']);
    block.add(name('a'), '2');
    block.add(name('b'), '3');
    assert.equal(block.getAll(name('a')), '1, 2');
    assert.equal(block.get(name('b')), '3');
    assert.equal(block.occurrences(name('a')), 2);
    assert.equal(block.serialize(), 'a: 1\r\na: 2\r\nb: 3\r\n');
  });

  test('remove takes several added lines and leaves the others in order', () => {
    const block = HeaderBlock.of([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
      ['c', '4'],
      ['a', '5'],
    ]);
    block.remove(name('a'));
    assert.equal(block.serialize(), 'b: 2\r\nc: 4\r\n');
    block.remove(name('c'));
    block.add(name('d'), '6');
    assert.equal(block.serialize(), 'b: 2\r\nd: 6\r\n');
  });

  test('fields named by Connection stay readable, and what is added later goes on', () => {
    const block = received(['X-One: 1'], ['x-one: 2'], ['b: 3']);
    block.keepFromForwarding(prepareName('x-one'));
    assert.equal(block.getAll(name('x-one')), '1, 2');
    assert.equal(block.serialize(), 'b: 3\r\n');
    block.add(name('x-one'), '4');
    assert.equal(block.serialize(), 'b: 3\r\nx-one: 4\r\n');
    block.remove(name('x-one'));
    block.keepFromForwarding(name('x-one'));
    assert.equal(block.get(name('x-one')), undefined, 'what was removed does not come back');
  });

  test('forEach visits what serialize writes', () => {
    const block = received(['A: 1'], ['B: 2', true], ['C: 3']);
    block.remove(name('c'));
    block.add(name('D'), '4');
    const seen: string[] = [];
    block.forEach((each, value) => {
      seen.push(`${each}=${value}`);
    });
    assert.deepEqual(seen, ['a=1', 'd=4']);
  });

  test('a clone is its own', () => {
    const block = received(['a: 1'], ['b: 2']);
    block.add(name('c'), '3');
    const copy = block.clone();
    block.remove(name('a'));
    block.set(name('c'), '4');
    receive(block, [['z: 9']]);
    assert.equal(copy.serialize(), 'a: 1\r\nb: 2\r\nc: 3\r\n');
    copy.remove(name('b'));
    assert.equal(block.serialize(), 'z: 9\r\n');
  });

  test('reset forgets everything', () => {
    const block = received(['a: 1'], ['b: 2']);
    block.remove(name('a'));
    block.add(name('c'), '3');
    receive(block, [['b: 5']]);
    assert.equal(block.serialize(), 'b: 5\r\n');
    assert.deepEqual(
      ['a', 'b', 'c'].map((each) => block.get(name(each))),
      [undefined, '5', undefined],
    );
    block.reset('');
    assert.equal(block.serialize(), '');
    assert.ok(!block.has(name('b')));
  });
});

/** The same operations on a list of pairs: slow, and plainly right. */
class Model {
  fields: { name: string; value: string; hop: boolean; received: boolean }[] = [];
  find(of: string): typeof this.fields {
    return this.fields.filter((field) => field.name === of);
  }
  forwarded(): string {
    return this.fields
      .filter(({ hop }) => !hop)
      .map((field) => `${field.name}: ${field.value}\r\n`)
      .join('');
  }
}

test('any sequence of changes does what a list would do', () => {
  const some = fc.constantFrom('a', 'bb', 'x-one', 'x^y', 'x~y', 'content-type');
  const line = fc.tuple(some, fc.constantFrom('', '1', 'a b', 'x,y'), fc.boolean());
  const change = fc.tuple(
    fc.constantFrom('set', 'add', 'remove', 'keep', 'clone'),
    some,
    fc.constantFrom('', '2', 'z'),
  );
  const property = fc.property(
    fc.array(line, { maxLength: 8 }),
    fc.array(change, { maxLength: 12 }),
    (lines, changes) => {
      let block = received(...lines.map(([of, value, hop]) => [`${of}: ${value}`, hop] as const));
      const model = new Model();
      model.fields = lines.map(([of, value, hop]) => ({ name: of, value, hop, received: true }));
      for (const [kind, of, value] of changes) {
        if (kind === 'set' || kind === 'remove') model.fields = model.fields.filter((field) => field.name !== of);
        if (kind === 'set' || kind === 'add') model.fields.push({ name: of, value, hop: false, received: false });
        if (kind === 'keep') for (const field of model.find(of)) if (field.received) field.hop = true;
        if (kind === 'set') block.set(name(of), value);
        if (kind === 'add') block.add(name(of), value);
        if (kind === 'remove') block.remove(name(of));
        if (kind === 'keep') block.keepFromForwarding(name(of));
        if (kind === 'clone') block = block.clone();
        const found = model.find(of);
        assert.equal(block.get(name(of)), found[0]?.value);
        assert.equal(block.has(name(of)), found.length > 0);
        assert.equal(block.occurrences(name(of)), found.length);
        assert.equal(
          block.getAll(name(of)),
          found.length === 0 ? undefined : found.map((field) => field.value).join(', '),
        );
        assert.equal(block.serialize(), model.forwarded());
      }
    },
  );
  fc.assert(property, { numRuns: 500, seed: 9110 });
});

test('prepared lines behave like added ones', () => {
  const [one, two] = [fieldName('x-one'), fieldName('x-two')];
  const lines = new FieldLines([
    [one, '1'],
    [two, '2'],
  ]);
  const block = HeaderBlock.of([['x-three', '3']]);
  block.addLines(lines);
  assert.equal(block.serialize(), 'x-one: 1\r\nx-two: 2\r\nx-three: 3\r\n');
  const copy = block.clone();
  assert.equal(block.get(two), '2');
  block.set(one, 'changed');
  assert.equal(block.get(one), 'changed');
  assert.deepEqual(block.serialize().split('\r\n').sort(), ['', 'x-one: changed', 'x-three: 3', 'x-two: 2']);
  assert.equal(copy.get(one), '1', 'a copy keeps its own');
  copy.addLines(new FieldLines([[one, 'again']]));
  assert.equal(copy.getAll(one), '1, again');
  const seen: string[] = [];
  copy.forEach((name, value) => {
    seen.push(`${name}=${value}`);
  });
  assert.deepEqual(seen.sort(), ['x-one=1', 'x-one=again', 'x-three=3', 'x-two=2']);
  copy.reset('');
  assert.equal(copy.serialize(), '');
});
