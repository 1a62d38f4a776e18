import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTimeout, parseTimeout, type TimeoutFormat, timeoutFormats } from './timeout-field.ts';

test('the three forms', () => {
  const cases: [format: TimeoutFormat, milliseconds: number, text: string][] = [
    ['ms', 1_234.9, '1234'],
    ['ms', -5, '0'],
    ['s', 1_500, '1.5'],
    ['s', 2_000, '2'],
    ['grpc', 1_500, '1500m'],
    ['grpc', 99_999_999, '99999999m'],
    ['grpc', 100_000_000, '100000S'],
  ];
  for (const [format, milliseconds, text] of cases) assert.equal(formatTimeout(milliseconds, format), text);
});

test('what a client wrote', () => {
  const cases: [format: TimeoutFormat, text: string, milliseconds: number | null][] = [
    ['ms', '250', 250],
    ['ms', '250ms', null],
    ['ms', '-1', null],
    ['s', '0.25', 250],
    ['s', '1e3', null],
    ['grpc', '2S', 2_000],
    ['grpc', '1H', 3_600_000],
    ['grpc', '500u', 0.5],
    ['grpc', '123456789m', null],
    ['grpc', '5', null],
  ];
  for (const [format, text, milliseconds] of cases) assert.equal(parseTimeout(text, format), milliseconds, text);
});

test('what is written is read as no more than there was', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e10, noNaN: true }),
      fc.constantFrom(...timeoutFormats),
      (milliseconds, format) => {
        const read = parseTimeout(formatTimeout(milliseconds, format), format);
        assert.ok(read !== null && read <= milliseconds + 1e-6 && read > milliseconds - 1_001);
      },
    ),
  );
});
