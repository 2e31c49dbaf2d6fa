import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ByteString, byteStringFromText } from '#base/bytes';
import {
  closeFd,
  createMemfd,
  HostFile,
  hasErrno,
  openReadiness,
  readAll,
  sealMemfd,
  sendDatagram,
  UnixSocket,
  writeAll,
} from '#host';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';

function path(folder: string, name: string): ByteString {
  return byteStringFromText(join(folder, name));
}

function refused(errno: Parameters<typeof hasErrno>[1]) {
  return (error: unknown) => hasErrno(error, errno);
}

test('a socket pair transfers bytes and descriptors in order', () => {
  using _leaks = watchDescriptors();
  const [one, other] = UnixSocket.pair();
  using _one = one;
  using _other = other;
  assert.equal(other.receive(), undefined);
  using file = createMemfd('passed');
  writeAll(file, Buffer.from('inside'));
  one.send(Buffer.from('first\n'));
  one.send(Buffer.from('second\n'), [file, file]);
  one.send(Buffer.from('third\nhalf'));
  for (const [text, count] of [
    ['first\n', 0],
    ['second\n', 2],
    ['third\n', 0],
    ['half', 0],
  ] as const) {
    const received = other.receive(0x0a);
    assert.equal(String(received?.bytes), text);
    assert.equal(received?.files.length, count);
    assert.equal(received?.lostFiles, false);
    for (const copy of received?.files ?? []) {
      assert.equal(String(readAll(copy, 100)), 'inside');
      copy[Symbol.dispose]();
    }
  }
  one.finishSending();
  assert.equal(other.receive(0x0a)?.bytes.length, 0);
  assert.equal(other.receive()?.bytes.length, 0);
});

test('descriptors without a byte, or above the limit of a message, are refused', () => {
  const [one, other] = UnixSocket.pair();
  using _one = one;
  using _other = other;
  assert.throws(() => one.send(Buffer.alloc(0), [1]), refused('EINVAL'));
  assert.throws(() => one.send(Buffer.from('x'), new Array(254).fill(1)), refused('EINVAL'));
  assert.equal(one.send(Buffer.from('x'), new Array(253).fill(1)), 1);
  const all = other.receive();
  assert.equal(all?.files.length, 253);
  assert.equal(all?.lostFiles, false);
  for (const copy of all?.files ?? []) copy[Symbol.dispose]();
});

test('a full socket accepts no bytes, and one whose peer is closed fails with EPIPE', () => {
  const [one, other] = UnixSocket.pair();
  using _one = one;
  const piece = new Uint8Array(1 << 20);
  let sent = 0;
  for (let count = one.send(piece); count > 0; count = one.send(piece)) sent += count;
  assert.ok(sent > 0);
  other[Symbol.dispose]();
  assert.throws(() => one.send(piece), refused('EPIPE'));
});

test('a socket file accepts connections, gives the peer, and is reachable by a long path', () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const long = 'a'.repeat(120);
  temp.dir.mkdir(long);
  for (const name of ['s.sock', `${long}/s.sock`]) {
    const at = path(temp.path, name);
    assert.throws(() => UnixSocket.connect(at), refused('ENOENT'));
    const listener = UnixSocket.listen(at);
    assert.equal(listener.isListening, true);
    assert.equal(listener.accept(), undefined);
    assert.throws(() => UnixSocket.listen(at), refused('EADDRINUSE'));
    using client = UnixSocket.connect(at);
    using server = listener.accept();
    assert.ok(client !== undefined && server !== undefined);
    assert.equal(server.isListening, false);
    assert.equal(server.peer().pid, process.pid);
    assert.equal(client.send(Buffer.from('hello')), 5);
    assert.equal(String(server.receive()?.bytes), 'hello');
    listener[Symbol.dispose]();
    assert.throws(() => UnixSocket.connect(at), refused('ECONNREFUSED'));
  }
});

test('adopt refuses a descriptor that is not a Unix stream socket', () => {
  using file = createMemfd('no socket');
  assert.throws(() => UnixSocket.adopt(file.fd, 'it'), refused('ENOTSOCK'));
  assert.throws(() => UnixSocket.adopt(9999, 'it'), refused('EBADF'));
});

test('readiness reports input, room and end, and reports nothing after an abort', async () => {
  using _leaks = watchDescriptors();
  await using readiness = openReadiness();
  await using second = openReadiness();
  const [one, other] = UnixSocket.pair();
  using _one = one;
  const waiting = readiness.wait(other, 'read');
  one.send(Buffer.from('x'));
  await waiting;
  await readiness.wait(other, 'read');
  assert.equal(String(other.receive()?.bytes), 'x');

  const piece = new Uint8Array(1 << 20);
  while (one.send(piece) > 0);
  const stop = new AbortController();
  const reading = assert.rejects(readiness.wait(one, 'read', stop.signal), /enough/);
  const room = second.wait(one, 'write');
  stop.abort(new Error('enough'));
  await reading;
  while (other.receive() !== undefined);
  await room;

  const end = readiness.wait(one, 'read');
  let isGone = false;
  const gone = readiness.wait(one, 'hangup').then(() => {
    isGone = true;
  });
  other.finishSending();
  await end;
  await readiness.wait(one, 'read');
  assert.equal(isGone, false);
  other[Symbol.dispose]();
  await gone;
  assert.throws(() => one.send(Buffer.from('x')), refused('EPIPE'));
});

test('disposing of readiness rejects its pending waits', async () => {
  const [one, other] = UnixSocket.pair();
  using _one = one;
  using _other = other;
  const readiness = openReadiness();
  const waiting = assert.rejects(readiness.wait(one, 'read'));
  await readiness[Symbol.asyncDispose]();
  await waiting;
  await assert.rejects(readiness.wait(one, 'read'));
});

test('a descriptor number that is closed and reused is watched again', async () => {
  await using readiness = openReadiness();
  for (let round = 0; round < 20; round += 1) {
    const [one, other] = UnixSocket.pair();
    const waiting = readiness.wait(other, 'read');
    one.send(Buffer.from('x'));
    await waiting;
    one[Symbol.dispose]();
    other[Symbol.dispose]();
  }
});

test('a socket of Node can be the peer', async () => {
  using temp = makeTempDir();
  const at = join(temp.path, 'node.sock');
  const server = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(at, resolve));
  try {
    await using readiness = openReadiness();
    using client = UnixSocket.connect(byteStringFromText(at));
    assert.ok(client !== undefined);
    client.send(Buffer.from('echo'));
    await readiness.wait(client, 'read');
    assert.equal(String(client.receive()?.bytes), 'echo');
  } finally {
    server.close();
  }
});

test('a datagram arrives whole, together with a sealed file', async () => {
  using temp = makeTempDir();
  const at = join(temp.path, 'd.sock');
  const script = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
data, ancillary, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(4))
fds = array.array("i")
for _, _, part in ancillary: fds.frombytes(part)
print(data.decode(), len(fds), os.pread(fds[0], 100, 0).decode(), flush=True)
`;
  assert.throws(() => sendDatagram(byteStringFromText(at), Buffer.from('x')), refused('ENOENT'));
  const child = spawn('python3', ['-c', script, at], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const ended = new Promise((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (piece: Buffer) => {
      lines.push(String(piece));
      resolve();
    });
  });
  using file = createMemfd('entry');
  writeAll(file, Buffer.from('large'));
  sealMemfd(file);
  assert.throws(() => writeAll(file, Buffer.from('more')), refused('EPERM'));
  assert.equal(sendDatagram(byteStringFromText(at), Buffer.from('MESSAGE=x'), [file]), true);
  await ended;
  assert.equal(lines.join(''), 'bound\nMESSAGE=x 1 large\n');
  assert.throws(
    () => sendDatagram(byteStringFromText(at), Buffer.alloc(100_000)),
    refused('EMSGSIZE'),
  );
});

test('closeFd closes a detached memfd', () => {
  using _leaks = watchDescriptors();
  const file = createMemfd('bare');
  const fd = file.detach();
  assert.ok(file instanceof HostFile);
  closeFd(fd);
});
