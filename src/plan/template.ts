import { encodeLiteral, toWire } from '../semantics/percent.ts';
import { normalizeTarget, Target } from '../semantics/url.ts';
import type { Exchange } from './exchange.ts';
import type { Fact } from './policy.ts';
import { type Parts, parseTemplate, type TemplateProblem } from './template-syntax.ts';
import { encoderFor, type Position, resolveName } from './template-values.ts';

/**
 * Text with values of the request in braces: `/v1/users/{path.id}`. It is compiled once, for the place where the result
 * will stand, and every value is encoded for that place. A value that is missing, or that the place cannot hold, makes
 * the whole result missing: a header is then left out, and a path is answered with 400.
 *
 * - `header`: the value of a field; controls are refused, so that no value can end the line
 * - `path`: path, and behind a `?` query, of a request; the result must be normal, so no value can climb out of it
 * - `url`: the same, or an absolute http(s) URL whose host is written out or the request's own
 * - `query`: one value (or name) in a query
 * - `text`: Unicode text, as it is
 */
export type TemplatePlace = 'header' | 'path' | 'url' | 'query' | 'text';

type Reader = (exchange: Exchange) => string | undefined;
/** Looks at the whole result; undefined when it must not stand in its place. */
type Finish = (text: string) => string | undefined;

export class Template {
  /** As written. */
  readonly source: string;
  /** The result when it is the same for every request. */
  readonly constant: string | null;
  /** What a policy has to find out before this can be rendered. */
  readonly reads: readonly Fact[];
  /** Refers to path parameters by their position in the route it was compiled for. */
  readonly usesParameters: boolean;
  readonly #parts: readonly (string | Reader)[];
  readonly #finish: Finish | null;

  constructor(
    source: string,
    parts: readonly (string | Reader)[],
    finish: Finish | null,
    reads: readonly Fact[],
    usesParameters: boolean,
  ) {
    this.source = source;
    this.#parts = parts;
    this.#finish = finish;
    this.reads = reads;
    this.usesParameters = usesParameters;
    this.constant = parts.every((part) => typeof part === 'string') ? parts.join('') : null;
  }

  render(exchange: Exchange): string | undefined {
    if (this.constant !== null) return this.constant;
    const parts = this.#parts;
    let text = '';
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string | Reader;
      if (typeof part === 'string') {
        text += part;
        continue;
      }
      const value = part(exchange);
      if (value === undefined) return undefined;
      text += value;
    }
    return this.#finish === null ? text : this.#finish(text);
  }
}

export type CompiledTemplate = { template: Template; problem: null } | { template: null; problem: TemplateProblem };

/** Compiles a template against the names of a route; `routeParameters` are `Route.parameters`. */
export function compileTemplate(
  text: string,
  place: TemplatePlace,
  routeParameters: readonly string[],
): CompiledTemplate {
  const parsed = parseTemplate(text);
  if ('problem' in parsed) return { template: null, problem: parsed.problem };
  const shape = placeProblem(parsed.parts, place);
  if (shape !== null) return { template: null, problem: shape };
  const positions = positionsOf(parsed.parts, place);
  const finish = finishOf(place);
  const parts: (string | Reader)[] = [];
  const reads = new Set<Fact>();
  let usesParameters = false;
  let sample = '';
  for (const [index, part] of parsed.parts.entries()) {
    if (typeof part === 'string') {
      const literal = writeLiteral(part, place);
      parts.push(literal);
      sample += literal;
      continue;
    }
    const value = resolveName(part, routeParameters);
    if ('problem' in value) return { template: null, problem: value.problem };
    const position = positions[index] as Position;
    if (position === 'authority' && value.form !== 'host') {
      return { template: null, problem: hostProblem(part.source, part.offset) };
    }
    if (value.fact !== null) reads.add(value.fact);
    usesParameters ||= value.isParameter;
    parts.push(encoderFor(value, position));
    sample += part.source === 'request.path' ? '/x' : 'x';
  }
  // What is written here is judged now, so that at run time only a value can be at fault.
  const written = finish === null ? sample : finish(sample);
  if (written === undefined) return { template: null, problem: literalProblem(place) };
  const constant = parts.every((part) => typeof part === 'string');
  const template = new Template(text, constant ? [written] : parts, finish, [...reads], usesParameters);
  return { template, problem: null };
}

function writeLiteral(literal: string, place: TemplatePlace): string {
  if (place === 'text') return literal;
  return place === 'path' || place === 'url' ? encodeLiteral(literal) : toWire(literal);
}

/** Where each part stands: a `?` in a path or URL begins its query, and the host of a URL takes no value but a host. */
function positionsOf(parts: Parts, place: TemplatePlace): Position[] {
  if (place === 'header' || place === 'query' || place === 'text') return parts.map(() => place);
  let before = '';
  return parts.map((part) => {
    const position = positionAfter(before, place);
    // A rendered value is encoded, so that it cannot move what follows into another position; `{request.path}` begins one.
    before += typeof part === 'string' ? part : part.source === 'request.path' ? '/' : 'x';
    return typeof part !== 'string' && part.source === 'request.path' && position === 'authority' ? 'path' : position;
  });
}

function positionAfter(before: string, place: TemplatePlace): Position {
  if (before.includes('?')) return 'query';
  if (place === 'path') return 'path';
  return /^[^/]*:\/\/[^/]*$/.test(before) ? 'authority' : 'path';
}

function placeProblem(parts: Parts, place: TemplatePlace): TemplateProblem | null {
  if (place !== 'path' && place !== 'url') return null;
  const outline = parts.map((part) => (typeof part === 'string' ? part : `{${part.source}}`)).join('');
  if (/^(?:\/(?!\/)|\{request\.path\})/.test(outline)) return null;
  if (place === 'url' && /^(?:https?|\{request\.scheme\}):\/\/[^/?#]+(?:[/{]|$)/.test(outline)) return null;
  const problem = place === 'path' ? 'a path begins with one slash' : 'this is neither a URL nor a path';
  const remedy =
    place === 'path' ? 'Write for instance `/v1/{path.rest}`.' : 'Write for instance `https://shop.example/`.';
  return { code: 'invalid-template', message: problem, remedy, offset: 0 };
}

function hostProblem(name: string, offset: number): TemplateProblem {
  return {
    code: 'invalid-template',
    message: `\`{${name}}\` would let the client choose the host`,
    remedy: 'Write the host out, or use `{request.host}`.',
    offset,
  };
}

function literalProblem(place: TemplatePlace): TemplateProblem {
  const isPath = place === 'path' || place === 'url';
  return {
    code: 'invalid-template',
    message: isPath ? 'no request could have this path' : 'this text has characters that cannot stand here',
    remedy: isPath
      ? 'Leave out dot segments and encode other characters.'
      : 'Leave out line breaks and other controls.',
    offset: 0,
  };
}

function finishOf(place: TemplatePlace): Finish | null {
  if (place === 'header') return fieldValue;
  if (place === 'path') return normalTarget;
  return place === 'url' ? normalUrl : null;
}

const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

function fieldValue(text: string): string | undefined {
  return CONTROL.test(text) ? undefined : text;
}

const scratch = new Target();

/** What the one normalisation leaves as it is. Two slashes in front would be read as a host. */
function normalTarget(target: string): string | undefined {
  if (target.startsWith('//') || !normalizeTarget(target, scratch)) return undefined;
  const { path, query } = scratch;
  const isNormal = target.startsWith(path) && target.length === path.length + (query === '' ? 0 : query.length + 1);
  // The question mark of a query that turned out to be empty is left out.
  return isNormal ? target : target === `${path}?` ? path : undefined;
}

function normalUrl(url: string): string | undefined {
  if (url.startsWith('/')) return normalTarget(url);
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  if (slash < 0) return url.includes('?') ? undefined : url;
  const target = normalTarget(url.slice(slash));
  return target === undefined ? undefined : url.slice(0, slash) + target;
}
