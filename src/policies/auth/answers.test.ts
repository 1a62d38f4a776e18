import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValue } from '../../../test/support/policy.ts';
import { errors } from '../../base/gateway-error.ts';
import { CredentialAnswers, refuse, unavailable } from './answers.ts';

test('errors are named where RFC 6750 names them: for bearer tokens', () => {
  const said = (scheme: string) =>
    fieldValue(new CredentialAnswers(scheme, 'shop').invalid(errors.credentialInvalid).headers, 'www-authenticate');
  assert.equal(said('bearer'), 'bearer realm="shop", error="invalid_token"');
  assert.equal(said('ApiKey'), 'ApiKey realm="shop"');
});

test('a realm cannot end its quotes or its line', () => {
  assert.equal(new CredentialAnswers('Bearer', 'a"b\\c\r\nd').challenge, 'Bearer realm="abcd"');
});

test('who cannot be judged is asked to come back, and not to identify', () => {
  const { status, headers } = unavailable(5);
  assert.equal(status, 503);
  assert.equal(fieldValue(headers, 'retry-after'), '5');
  assert.equal(fieldValue(headers, 'www-authenticate'), null);
});

test('there are entries without a challenge', () => {
  assert.equal(fieldValue(refuse(errors.credentialInvalid, null).headers, 'www-authenticate'), null);
});
