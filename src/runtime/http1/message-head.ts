import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { HeaderBlock } from '../../base/headers.ts';

export interface HeadLimits {
  /** Bytes of the whole head. */
  readonly maxHead: number;
  /** Bytes of the request target. */
  readonly maxTarget: number;
  readonly maxFields: number;
}

/** A parsed head; one object is reused by its connection. */
export class MessageHead {
  headers = new HeaderBlock();
  method = '';
  target = '';
  status = 0;
  /** 10 or 11. */
  version = 11;
  /** In lower case: hosts are compared without regard to it (RFC 9110, 4.2.3). */
  host = '';
  hosts = 0;
  /** -1: no Content-Length. */
  contentLength = -1;
  chunked = false;
  keepAlive = true;
  /** First protocol of `Upgrade` when `Connection` names it too, lower case. */
  upgrade: string | null = null;
  expectContinue = false;
  /** `Expect` says something that is not understood. */
  expectsOther = false;
  /** The sender takes trailers (`TE: trailers`). */
  takesTrailers = false;
  /** Set when `parse…` answers -1. */
  error: GatewayError = errors.malformedRequest;

  /** For the parser: where Host stands in the text. */
  hostStart = 0;
  hostEnd = 0;
  /** For the parser: what `Connection` and `Upgrade` said, settled when the whole section is there. */
  closeNamed = false;
  upgradeNamed = false;
  upgradeValue: string | null = null;
  connectionOptions: string[] | null = null;

  /** For the parser, as it begins with the fields. */
  reset(version: number): void {
    this.headers.reset('');
    this.version = version;
    this.host = '';
    this.hosts = 0;
    this.hostStart = 0;
    this.hostEnd = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.keepAlive = version === 11;
    this.upgrade = null;
    this.closeNamed = false;
    this.upgradeNamed = false;
    this.upgradeValue = null;
    this.connectionOptions = null;
    this.expectContinue = false;
    this.expectsOther = false;
    this.takesTrailers = false;
  }

  fail(error: GatewayError): -1 {
    this.error = error;
    return -1;
  }
}
