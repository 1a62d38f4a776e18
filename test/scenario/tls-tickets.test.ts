import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { makeAuthority } from '../support/certificates.ts';
import { answering, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import { connectSecure, listenerTls, type SecurePeer, sessionTicket } from '../support/tls.ts';

/** Clients resume their TLS sessions at whichever worker they come to. */

type Version = 'TLSv1.2' | 'TLSv1.3';
const authority = makeAuthority();
const ca = authority.certificate;
const own = authority.issue(['127.0.0.1']);

const upstream: RawUpstream = await startRawUpstream(answering(() => OK));
after(() => upstream.close());

function worker(ticketKeys: Buffer): Promise<Runtime> {
  return startRuntime({ upstreams: upstream.url, listener: { tls: listenerTls([own]) }, ticketKeys });
}

async function ask(peer: SecurePeer): Promise<void> {
  peer.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await peer.response()).status, 200);
}

async function resumes(port: number, session: Buffer, version: Version): Promise<boolean> {
  const peer = await connectSecure(port, { ca, session, maxVersion: version });
  await ask(peer);
  const reused = peer.socket.isSessionReused();
  peer.destroy();
  return reused;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: tickets are good for every worker with the same keys, until these change`, async () => {
    const keys = randomBytes(48);
    using first = await worker(keys);
    using second = await worker(keys);
    using other = await worker(randomBytes(48));
    const session = await sessionTicket(first.port, { ca, maxVersion: version });
    assert.equal(await resumes(first.port, session, version), true);
    assert.equal(await resumes(second.port, session, version), true);
    assert.equal(await resumes(other.port, session, version), false);

    const rotated = randomBytes(48);
    for (const { server } of [first, second]) server.setTicketKeys(rotated);
    assert.equal(await resumes(first.port, session, version), false);
    // A reload must not bring old keys back.
    await first.reload({ listener: { tls: listenerTls([own, authority.issue(['shop.example'])]) } });
    const next = await sessionTicket(first.port, { ca, maxVersion: version });
    assert.equal(await resumes(second.port, next, version), true);
    assert.equal(await resumes(first.port, next, version), true);
    assert.equal(await resumes(other.port, next, version), false);
  });
}
