import type { IdentifierModule } from '../../plan/identifier.ts';
import { apiKey } from './api-key.ts';
import { basic } from './basic.ts';
import { forwardAuth } from './forward-auth.ts';
import { introspection } from './introspection.ts';
import { jwt } from './jwt.ts';
import { mtls } from './mtls.ts';
import { oidc } from './oidc.ts';

/** Every kind of credential there is. */
export const identifiers: readonly IdentifierModule[] = [apiKey, basic, forwardAuth, introspection, jwt, mtls, oidc];
