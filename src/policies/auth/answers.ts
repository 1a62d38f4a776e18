import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../base/headers.ts';
import { Reply } from '../../plan/reply.ts';

const wwwAuthenticate = fieldName('www-authenticate');

/** What an entry says to callers. Which check failed is in the error's code at most, and never in words. */
export class CredentialAnswers {
  /** Without an error for those who brought no credential (RFC 6750, 3.1). */
  readonly challenge: string;
  readonly #isBearer: boolean;

  constructor(scheme: string, realm: string) {
    this.challenge = `${scheme} realm="${realm.replace(/[^ !#-[\]-~]/g, '')}"`;
    this.#isBearer = scheme.toLowerCase() === 'bearer';
  }

  invalid(error: GatewayError): Reply {
    return this.#refuse(error, 'error="invalid_token"');
  }

  several(): Reply {
    return this.#refuse(errors.credentialAmbiguous, 'error="invalid_request"');
  }

  /** `scopes`: those that would do, separated by spaces. */
  outOfScope(scopes: string): Reply {
    return this.#refuse(errors.scopeMissing, `error="insufficient_scope", scope="${scopes}"`);
  }

  /** RFC 6750, 3: what is wrong is a matter of that scheme alone. */
  #refuse(error: GatewayError, what: string): Reply {
    return refuse(error, this.#isBearer ? `${this.challenge}, ${what}` : this.challenge);
  }
}

export function refuse(error: GatewayError, challenge: string | null): Reply {
  const headers = new HeaderBlock();
  if (challenge !== null) headers.add(wwwAuthenticate, challenge);
  return Reply.refuse(error, null, headers);
}

/** Nobody can say at the moment whether the credential is good. */
export function unavailable(seconds: number): Reply {
  return Reply.refuseFor(seconds, errors.identityUnavailable);
}
