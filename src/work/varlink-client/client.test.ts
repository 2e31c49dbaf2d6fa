import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { byteStringFromText } from '#base/bytes';
import { hasCode } from '#base/errors';
import { openPipe, openReadiness, UnixSocket as Socket, type UnixSocket } from '#host';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { connectVarlink, type VarlinkClient } from './client.ts';

/** A client, and the socket of its service. */
async function connected(path: string): Promise<{ client: VarlinkClient; peer: UnixSocket }> {
  using listener = Socket.listen(byteStringFromText(path));
  const client = await connectVarlink(`unix:${path}`);
  for (;;) {
    const peer = listener.accept();
    if (peer !== undefined) return { client, peer };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function say(
  peer: UnixSocket,
  message: object,
  files: Parameters<UnixSocket['send']>[1] = [],
): void {
  peer.send(Buffer.from(`${JSON.stringify(message)}\0`), files);
}

test('replies and errors reach their calls in order, with their descriptors', async () => {
  using temp = makeTempDir();
  using _leaks = watchDescriptors();
  const { client, peer } = await connected(join(temp.path, 's'));
  using service = peer;
  const { reader, writer } = openPipe('writer');
  say(service, { parameters: { number: 1 } }, [reader]);
  say(service, { error: 'a.b.Wrong', parameters: { message: 'no' } });
  say(service, { parameters: { number: 3 } });
  reader[Symbol.dispose]();
  const [first, second, third] = [
    client.call('a.b.C', {}),
    client.call('a.b.C', {}),
    client.call('a.b.C', {}),
  ];
  const refused = assert.rejects(second, (error) => {
    assert.ok(hasCode(error, 'VARLINK_CALL_FAILED'));
    assert.deepEqual(error.details, {
      method: 'a.b.C',
      error: 'a.b.Wrong',
      parameters: { message: 'no' },
      retryable: false,
    });
    return true;
  });
  {
    using reply = await first;
    assert.equal(reply.files.length, 1);
    assert.deepEqual(reply.parameters, { number: 1 });
  }
  await refused;
  assert.deepEqual((await third).parameters, { number: 3 });
  assert.throws(() => writeFileSync(writer.fd, 'x'), { code: 'EPIPE' });
  writer[Symbol.dispose]();
  await client[Symbol.asyncDispose]();
});

test('cancelling a call or leaving a stream of replies closes the connection', async () => {
  using temp = makeTempDir();
  using _leaks = watchDescriptors();
  for (const way of ['signal', 'leave', 'dispose']) {
    const { client, peer } = await connected(join(temp.path, way));
    using service = peer;
    await using readiness = openReadiness();
    const gone = readiness.wait(service, 'hangup');
    if (way === 'signal') {
      const stop = new AbortController();
      const call = client.call('a.b.C', {}, { signal: stop.signal });
      setImmediate(() => stop.abort(new Error('enough')));
      await assert.rejects(call, /enough/);
    } else if (way === 'leave') {
      say(service, { parameters: { number: 1 }, continues: true });
      for await (const { parameters } of client.callMore('a.b.C', {})) {
        assert.deepEqual(parameters, { number: 1 });
        break;
      }
    } else {
      const call = assert.rejects(client.call('a.b.C', {}));
      await client[Symbol.asyncDispose]();
      await call;
    }
    await gone;
    await assert.rejects(client.call('a.b.C', {}), { code: 'CONNECTION_LOST' });
    await client[Symbol.asyncDispose]();
  }
});

test('a service that disconnects or sends an invalid reply fails the calls', async () => {
  using temp = makeTempDir();
  for (const [said, code] of [
    ['', 'CONNECTION_LOST'],
    ['{"parameters"', 'CONNECTION_LOST'],
    ['[1]\0', 'VARLINK_MESSAGE_INVALID'],
    ['{"error":7}\0', 'VARLINK_MESSAGE_INVALID'],
  ] as const) {
    const { client, peer } = await connected(join(temp.path, `s${said.length}`));
    if (said !== '') peer.send(Buffer.from(said));
    const call = client.call('a.b.C', {});
    const ended = assert.rejects(call, { code });
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer[Symbol.dispose]();
    await ended;
    await client[Symbol.asyncDispose]();
  }
});
