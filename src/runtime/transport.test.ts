import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { links } from '../../test/support/sockets.ts';
import { close, open, pump, receive, sha256, until } from '../../test/support/transports.ts';
import { Chunk } from '../plan/call.ts';

const MEBIBYTE = 1_048_576;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

for (const raw of [true, false]) {
  for (const link of links) {
    describe(`${raw ? 'handle' : 'stream'} over ${link}`, { timeout: 60_000 }, () => {
      test('the fast way is taken where it is asked for', async () => {
        const opened = await open(link, raw);
        assert.equal(
          opened.transport.constructor.name,
          raw ? (link.includes('TLS') ? 'SecureTransport' : 'RawTransport') : 'StreamTransport',
        );
        await close(opened);
      });

      test('carries bytes both ways at once', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        const up = randomBytes(MEBIBYTE);
        const down = randomBytes(MEBIBYTE);
        transport.resume();
        peer.write(up);
        pump(opened, down, 50_000, true);
        assert.equal(sha256(await receive(peer, down.length)), sha256(down));
        await until('all of the peer is read', () => owner.received === up.length);
        assert.equal(owner.hash.digest('hex'), sha256(up));
        await close(opened);
      });

      test('does not begin to read before it is resumed, and stops when paused', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        peer.write('one');
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.equal(owner.received, 0);
        transport.resume();
        await until('the first bytes arrive', () => owner.received === 3);
        transport.pause();
        peer.write('two');
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.equal(owner.received, 3);
        transport.resume();
        await until('the next bytes arrive', () => owner.received === 6);
        await close(opened);
      });

      test('gathers what is written in one turn into one piece', async () => {
        const opened = await open(link, raw);
        const { transport, peer } = opened;
        const arrived = once(peer, 'data') as Promise<[Buffer]>;
        transport.write('head\r\n');
        transport.write('more\r\n');
        transport.writeChunk(Chunk.whole(Buffer.from('body'), false));
        const [first] = await arrived;
        assert.equal(first.toString(), 'head\r\nmore\r\nbody');
        await close(opened);
      });

      test('gathers over microtasks as well', async () => {
        const opened = await open(link, raw);
        const arrived = once(opened.peer, 'data') as Promise<[Buffer]>;
        opened.transport.write('a');
        await Promise.resolve();
        opened.transport.write('b');
        const [first] = await arrived;
        assert.equal(first.toString(), 'ab');
        await close(opened);
      });

      test('keeps the order of texts, pieces and bytes of every size', async () => {
        const opened = await open(link, raw);
        const { transport, peer } = opened;
        const parts = [3, 20_000, 1, 16_384, 16_383, 70_000, 5, 1].map((size, index) => Buffer.alloc(size, 97 + index));
        for (const [index, part] of parts.entries()) {
          if (index % 3 === 0) transport.write(part.latin1Slice());
          else if (index % 3 === 1) transport.writeChunk(Chunk.whole(Buffer.from(part), true));
          else transport.writeBytes(part);
        }
        const all = Buffer.concat(parts);
        assert.equal(sha256(await receive(peer, all.length)), sha256(all));
        await close(opened);
      });

      test('copies a piece that is not stable before it waits', async () => {
        const opened = await open(link, raw);
        const { transport, peer } = opened;
        const written = Buffer.alloc(4 * MEBIBYTE, 'x');
        peer.pause();
        transport.writeChunk(Chunk.whole(written, false));
        const expected = sha256(written);
        written.fill('y');
        // The handle knows the copy by its address only: something else must keep it.
        for (let i = 0; i < 4; i++) collectGarbage();
        Buffer.alloc(4 * MEBIBYTE, 'z');
        assert.equal(sha256(await receive(peer, written.length)), expected);
        await close(opened);
      });

      test('answers false while a slow peer reads nothing, and tells when to go on', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        peer.pause();
        const piece = randomBytes(65_536);
        const sent = createHash('sha256');
        let pieces = 0;
        do {
          pieces++;
          sent.update(piece);
        } while (transport.writeChunk(Chunk.whole(piece, true)) && pieces < 1000);
        assert.ok(pieces < 1000, 'a peer that does not read never made it wait');
        assert.equal(owner.drains, 0);
        const total = pieces * piece.length;
        assert.equal(sha256(await receive(peer, total)), sent.digest('hex'));
        await until('it drains', () => owner.drains === 1);
        assert.equal(transport.blocked, false);
        await close(opened);
      });

      test('relays megabytes to a slower connection through a buffer of its own', async () => {
        const from = await open(link, raw);
        const to = await open(link, raw);
        const body = randomBytes(8 * MEBIBYTE);
        from.owner.take = (bytes, length) => {
          from.owner.received += length;
          const chunk = Chunk.whole(bytes, from.transport.ownsBuffer);
          chunk.end = length;
          from.transport.useOwnBuffer();
          if (!to.transport.writeChunk(chunk)) from.transport.pause();
        };
        to.owner.drained = () => {
          if (from.owner.received >= body.length) from.transport.useSharedBuffer(true);
          from.transport.resume();
        };
        let total = 0;
        const hash = createHash('sha256');
        to.peer.on('data', (piece: Buffer) => {
          hash.update(piece);
          total += piece.length;
          // Stops for a moment now and then, so that the relay has to wait in the middle of a buffer.
          to.peer.pause();
          setImmediate(() => to.peer.resume());
        });
        from.transport.resume();
        from.peer.write(body);
        await until('all is relayed', () => total === body.length);
        assert.equal(hash.digest('hex'), sha256(body));
        await Promise.all([close(from), close(to)]);
      });

      test('may be stopped and started while it hands out what had waited', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        const body = randomBytes(300_000);
        owner.take = (bytes, length) => {
          owner.count(bytes, length);
          transport.pause();
          if (owner.received % 3 === 0) setImmediate(() => transport.resume());
          else transport.resume();
        };
        transport.resume();
        peer.write(body);
        await until('all of it is read', () => owner.received === body.length);
        assert.equal(owner.hash.digest('hex'), sha256(body));
        assert.equal(owner.closed.length, 0);
        await close(opened);
      });

      test('a peer that ends its side still gets what is written, then the end', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        transport.resume();
        peer.end('last words');
        await until('the end is seen', () => owner.ended === 1);
        assert.equal(owner.received, 10);
        assert.equal(owner.closed.length, 0);
        const pieces: Buffer[] = [];
        peer.on('data', (piece: Buffer) => pieces.push(piece));
        const ended = once(peer, 'end');
        transport.write('an answer');
        transport.end();
        await ended;
        assert.equal(Buffer.concat(pieces).toString(), 'an answer');
        await until('both ends are through', () => owner.closed.length === 1);
        assert.equal(owner.closed[0], null);
        assert.equal(owner.ended, 1);
        peer.destroy();
      });

      test('bytes and the end that came while paused arrive in order', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        peer.end(randomBytes(100_000));
        await new Promise((resolve) => setTimeout(resolve, 20));
        transport.resume();
        await until('the end is seen', () => owner.ended === 1);
        assert.equal(owner.received, 100_000);
        await close(opened);
      });

      test('ending our side after megabytes sends them all', async () => {
        const opened = await open(link, raw);
        const { transport, peer } = opened;
        const body = randomBytes(4 * MEBIBYTE);
        const ended = once(peer, 'end');
        const all = receive(peer, body.length);
        transport.writeBytes(body);
        transport.write('tail');
        transport.end();
        assert.equal(sha256(await all), sha256(Buffer.concat([body, Buffer.from('tail')])));
        await ended;
        await close(opened);
      });

      test('destroyed while bytes wait, it closes once and says nothing more', async () => {
        const opened = await open(link, raw);
        const { transport, owner, peer } = opened;
        peer.pause();
        transport.resume();
        transport.writeBytes(Buffer.alloc(8 * MEBIBYTE));
        transport.write('never sent');
        transport.destroy();
        await until('it is closed', () => owner.closed.length > 0);
        transport.write('too late');
        transport.writeChunk(Chunk.whole(Buffer.alloc(100_000), true));
        transport.end();
        transport.pause();
        transport.resume();
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.equal(owner.closed.length, 1);
        assert.equal(owner.drains, 0);
        peer.destroy();
      });

      test('a peer that vanishes closes it, also while bytes wait', async () => {
        for (const waiting of [0, 8 * MEBIBYTE]) {
          const { transport, owner, peer } = await open(link, raw);
          peer.pause();
          transport.resume();
          if (waiting > 0) transport.writeBytes(Buffer.alloc(waiting));
          // With bytes unread, the kernel makes a reset of it.
          peer.destroy();
          await until('it is closed or ended', () => owner.closed.length + owner.ended > 0);
          if (owner.closed.length === 0) transport.end();
          await until('it is closed', () => owner.closed.length > 0);
          assert.equal(owner.closed.length, 1);
          assert.ok(owner.ended <= 1);
        }
      });
    });
  }
}
