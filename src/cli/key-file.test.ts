import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyDigest, makeKey } from '../semantics/api-key.ts';
import { readKeyFile } from './key-file.ts';

const KEY = 'a-key-from-the-old-gateway';
const DIGEST = `sha256:${keyDigest(KEY)}`;

describe('a file of keys', () => {
  it('is CSV with names of columns, as spreadsheets write it', () => {
    const text = `\uFEFFconsumer,key,scopes,name,enabled\r\nacme,${KEY},"a b,\nc","the ""old"" one",false\r\n\r\ninitech,${DIGEST},,,\r\n`;
    assert.deepEqual(readKeyFile(text), {
      problems: [],
      rows: [
        {
          consumer: 'acme',
          key: DIGEST,
          id: undefined,
          scopes: ['a', 'b', 'c'],
          name: 'the "old" one',
          enabled: false,
          line: 2,
        },
        { consumer: 'initech', key: DIGEST, id: undefined, line: 5 },
      ],
    });
  });

  it('is one JSON object a line', () => {
    const made = makeKey();
    const lines = [
      { key: KEY, consumer: 'acme', expires: '90d' },
      { key: made.key, consumer: 'acme' },
    ];
    const { rows, problems } = readKeyFile(`${lines.map((line) => JSON.stringify(line)).join('\n\n')}\n`);
    assert.deepEqual(problems, []);
    assert.deepEqual(rows, [
      { key: DIGEST, consumer: 'acme', expires: '90d', id: undefined, line: 1 },
      { key: `sha256:${keyDigest(made.key)}`, consumer: 'acme', id: made.id, line: 3 },
    ]);
  });

  it('is told what is wrong with it, line by line and without its keys', () => {
    const wrong: readonly (readonly [string, number | null, RegExp])[] = [
      ['', null, /empty/],
      [`${KEY},acme\n`, 1, /the first line names the columns, of which there are consumer, auth/],
      ['kye,consumer\n', 1, /`kye`: did you mean `key`\?/],
      [`key,consumer\n${KEY}\n`, 2, /1 values, and 2 columns/],
      [`key,consumer\nhunter2,acme\n`, 2, /`key`: this key is too short/],
      [`key,consumer\n${KEY},\n`, 2, /`consumer`/],
      [`key,consumer\n"${KEY},acme\n`, 2, /a quote is not closed/],
      [`key,consumer,expires\n${KEY},acme,soon\n`, 2, /`expires`: this is no time to expire/],
      [`key,consumer,enabled\n${KEY},acme,yes\n`, 2, /`enabled`/],
      [`{"key":"${KEY}","consumer":"acme"}\n{"key":"${KEY}"\n`, 2, /not a JSON object/],
      [`{"key":"${KEY}","consumer":"acme","colour":1}\n`, 1, /colour/],
    ];
    for (const [text, line, message] of wrong) {
      const { problems } = readKeyFile(text);
      assert.ok(problems.length >= 1, text);
      assert.equal(problems[0]?.line, line, text);
      assert.match(problems[0]?.message ?? '', message);
      assert.ok(!JSON.stringify(problems).includes(KEY), text);
    }
  });

  it('never lets a key through in clear, whatever it looks like', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40 }),
        fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a') }),
        (a, b) => {
          const { rows } = readKeyFile(`key,consumer\n${KEY}${a},${b}\n${b}${KEY},${a}\n`);
          for (const { key } of rows) assert.match(String(key), /^sha256:[0-9a-f]{64}$/);
        },
      ),
    );
  });
});
