import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue } from '../../test/support/policy.ts';
import { identityHeaders } from './identity-headers.ts';

test('what a client says about itself goes no further, the rest does', () => {
  const { hooks, request } = compilePolicy(identityHeaders, { names: ['x-user-id', 'x-roles'] });
  assert.equal(hooks[0]?.request?.phase, 'guard');
  const exchange = exchangeOf({
    headers: [
      ['x-user-id', '1'],
      ['accept', '*/*'],
      ['X_User_ID', '2'],
      ['x-roles', 'admin'],
      ['x-user-id', '3'],
      ['x-user', 'kept'],
    ],
  });
  assert.equal(request(exchange), null);
  for (const name of ['x-user-id', 'x_user_id', 'x-roles']) assert.equal(fieldValue(exchange.headers, name), null);
  assert.equal(fieldValue(exchange.headers, 'accept'), '*/*');
  assert.equal(fieldValue(exchange.headers, 'x-user'), 'kept');
});
