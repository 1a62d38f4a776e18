import type { ErrorCode } from 'yaml';

export interface SyntaxExplanation {
  message: string;
  remedy: string;
  at: number;
}

/** Codes that mostly follow from an earlier error in the same text. */
export const echoes: ReadonlySet<ErrorCode> = new Set([
  'BAD_INDENT',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'UNEXPECTED_TOKEN',
]);

/** The library's errors, in words for somebody who does not know the YAML specification. */
export function explainSyntax(code: ErrorCode, message: string, text: string, at: number): SyntaxExplanation {
  const line = lineAround(text, at);
  if (/[[{,]\s*(\w+:\s+)?\$\{|:\s+\$\{/.test(line) && (code === 'UNEXPECTED_TOKEN' || code === 'BAD_INDENT')) {
    const dollar = text.lastIndexOf('$', at);
    const remedy = 'Put it in quotes: `"${env:NAME}"`.';
    return { message: 'a reference inside `{ }` or `[ ]` needs quotes', remedy, at: dollar < 0 ? at : dollar };
  }
  switch (code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab is used as indentation', remedy: 'Indent with spaces.', at };
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return {
        message: 'a value on the same line as its key cannot hold keys of its own',
        remedy: 'Put it in quotes if it is text, or check the indentation of the next line.',
        at,
      };
    case 'BAD_INDENT': {
      const remedy = 'Line it up with its neighbours, or close the bracket above.';
      return { message: 'the indentation does not fit what stands above', remedy, at: skipBlanks(text, at) };
    }
    case 'MISSING_CHAR':
      if (message.includes('quote')) {
        return { message: 'the closing quote is missing', remedy: 'Close the quote.', at: openingQuote(text, at) };
      }
      if (message.includes('map values')) {
        return { message: 'this key has no value', remedy: 'Write `key: value`, with a space after the colon.', at };
      }
      return { message: lowerFirst(message), remedy: 'Add what is missing.', at };
    case 'BAD_SCALAR_START': {
      const message = `text cannot start with \`${text[at] ?? ''}\` unless it is in quotes`;
      return { message, remedy: 'Put the value in quotes.', at };
    }
    case 'TAG_RESOLVE_FAILED':
      return { message: 'tags such as `!name` are not supported', remedy: 'Remove the tag.', at };
    case 'NON_STRING_KEY':
      return { message: 'a key must be text', remedy: 'Write `key: value`; put odd keys in quotes.', at };
    case 'MULTIPLE_DOCS':
      return {
        message: 'this file holds more than one document',
        remedy: 'Split it at `---` into files; give them with several `-c`, or name them in `include`.',
        at,
      };
    case 'BAD_DQ_ESCAPE':
      return {
        message: 'this escape does not exist',
        remedy: 'Use single quotes, in which a backslash is only a backslash, or write `\\\\`.',
        at,
      };
    case 'UNEXPECTED_TOKEN':
      return {
        message: `\`${tokenAt(text, at)}\` does not belong here`,
        remedy: 'Check brackets and quotes; put text with special characters in quotes.',
        at,
      };
    default:
      return { message: lowerFirst(message), remedy: 'Check the YAML here.', at };
  }
}

function lineAround(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const end = text.indexOf('\n', at);
  return text.slice(start, end < 0 ? undefined : end);
}

function skipBlanks(text: string, at: number): number {
  let end = at;
  while (text[end] === ' ') end += 1;
  return end;
}

/** The library reports the end of the text; the reader looks for where the quote was opened. */
function openingQuote(text: string, at: number): number {
  const quotes = [...text.slice(0, at).matchAll(/(?<=[\s:[{,])["']/g)];
  return quotes.at(-1)?.index ?? at;
}

function tokenAt(text: string, at: number): string {
  return /^(\w[^\s,[\]{}]{0,20}|\S)/.exec(text.slice(at, at + 24))?.[0] ?? 'the end of the file';
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
