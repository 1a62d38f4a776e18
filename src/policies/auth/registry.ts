import type { IdentifierModule } from '../../plan/identifier.ts';
import { apiKey } from './api-key/api-key.ts';
import { basic } from './basic/basic.ts';
import { forwardAuth } from './forward-auth/forward-auth.ts';
import { introspection } from './introspection/introspection.ts';
import { jwt } from './jwt/jwt.ts';
import { mtls } from './mtls/mtls.ts';
import { oidc } from './oidc/oidc.ts';

/** Every kind of credential there is. */
export const identifiers: readonly IdentifierModule[] = [apiKey, basic, forwardAuth, introspection, jwt, mtls, oidc];
