import type { GatewayError } from '../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';

const retryAfter = fieldName('retry-after');

/** An answer made here rather than by an upstream: what a hook returns to stop a request. */
export class Reply {
  status: number;
  headers: HeaderBlock;
  /** Text goes out as UTF-8. Null: no content. */
  body: string | Uint8Array | null;
  /** Set for refusals: the body is then made in one place (problem+json, or the route's own for that code). */
  error: GatewayError | null;
  /** RFC 9457 `detail` of a refusal: about this request, nothing internal. */
  detail: string | null;

  constructor(status: number, headers: HeaderBlock, body: string | Uint8Array | null) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.error = null;
    this.detail = null;
  }

  /** A refusal; `headers` for what belongs to it, such as `Allow` or `Retry-After`. */
  static refuse(error: GatewayError, detail: string | null = null, headers: HeaderBlock = new HeaderBlock()): Reply {
    const reply = new Reply(error.status, headers, null);
    reply.error = error;
    reply.detail = detail;
    return reply;
  }

  /** A refusal that says after how many whole seconds it is worth to come back. */
  static refuseFor(seconds: number, error: GatewayError, detail: string | null = null): Reply {
    const headers = new HeaderBlock();
    headers.add(retryAfter, String(seconds));
    return Reply.refuse(error, detail, headers);
  }
}
