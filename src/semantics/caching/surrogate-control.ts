import { forEachDirective } from './directive-list.ts';
import { noDirectives, type ResponseDirectives, takeDirective } from './directives.ts';

/**
 * Surrogate-Control (Edge Architecture Specification, W3C Note of 2001): older than targeted fields and of another syntax.
 * A directive may be for one device: `max-age=60;device`; `max-age=60+30` grants 30 seconds past the 60.
 * Null: nothing in it is for this device.
 */
export function surrogateDirectives(text: string, device: string): ResponseDirectives | null {
  const found: Surrogate = { directives: noDirectives(), device, isEmpty: true };
  found.directives.isTargeted = true;
  forEachDirective(text, found, take);
  return found.isEmpty ? null : found.directives;
}

interface Surrogate {
  readonly directives: ResponseDirectives;
  readonly device: string;
  isEmpty: boolean;
}

function take(found: Surrogate, name: string, argument: string | undefined): void {
  const whole = argument ?? name;
  const semicolon = whole.indexOf(';');
  if (semicolon >= 0 && whole.slice(semicolon + 1).trim() !== found.device) return;
  const part = semicolon < 0 ? whole : whole.slice(0, semicolon).trimEnd();
  const { directives } = found;
  let isKnown: boolean;
  const plus = name === 'max-age' ? part.indexOf('+') : -1;
  if (argument === undefined) {
    isKnown = takeDirective(directives, part, undefined);
  } else if (plus < 0) {
    isKnown = takeDirective(directives, name, part);
  } else {
    isKnown = takeDirective(directives, name, part.slice(0, plus));
    takeDirective(directives, 'stale-while-revalidate', part.slice(plus + 1));
  }
  // `content="ESI/1.0"` alone leaves Cache-Control in charge.
  if (isKnown) found.isEmpty = false;
}
