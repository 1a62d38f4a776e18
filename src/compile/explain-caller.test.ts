import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { registry } from '../policies/registry.ts';
import { type AssumedCaller, ExplainedEntries } from './explain-caller.ts';
import type { AuthEntryDocument } from './plan-document.ts';

const consumer = { plan: null, roles: [], groups: [], keys: [] };
const partner: AuthEntryDocument = {
  owner: 'apiKey',
  entry: 'partner',
  kind: 'apiKey',
  options: { header: 'x-api-key' },
  plan: null,
  consumers: [['acme', consumer]],
  endpoints: [],
  credentials: { headers: ['x-api-key'], parameters: [] },
};
const somebody: AssumedCaller = {
  ...{ id: 'somebody', entry: null, consumer: null, plan: null },
  ...{ scopes: [], roles: [], groups: [], claims: {} },
};

describe('a caller that is assumed', () => {
  const entries = new ExplainedEntries([partner], registry);

  it('may be anybody of the configuration, or nobody in particular', () => {
    assert.equal(entries.whyNot(somebody), null);
    assert.equal(entries.whyNot({ ...somebody, entry: 'partner', consumer: 'acme' }), null);
  });

  it('is refused by names that the configuration does not have', () => {
    assert.equal(
      entries.whyNot({ ...somebody, consumer: 'acmee' }),
      'the configuration has no consumer `acmee`: did you mean `acme`?',
    );
    assert.equal(
      entries.whyNot({ ...somebody, entry: 'nowhere' }),
      'the configuration has no entry of `auth` `nowhere`',
    );
  });
});
