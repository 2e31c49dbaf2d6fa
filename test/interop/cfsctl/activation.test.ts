/**
 * The varlink service of `cfsctl` on sockets that another program passes, and on socket files. What composefs-rs 0.9.4 does is recorded in
 * test/golden/cfsctl/varlink/activation.json; docs/compatibility.md lists what ours does otherwise.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { byteStringFromText } from '#base/bytes';
import { UnixSocket } from '#host';
import { makeTempDir } from '../../support/temp-dir.ts';
import { RawClient } from '../../support/varlink-client.ts';
import { startService } from '../../support/varlink-service.ts';
import { cfsctl } from './replay.ts';

const BIN = fileURLToPath(new URL('../../../bin/onecopy', import.meta.url));
const INFO = { method: 'org.varlink.service.GetInfo' };

/** Starts a program with a socket as descriptor 3, as a service manager does. */
function activate(program: string, argv: readonly string[], socket: number | 'ignore') {
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
  const child = spawn('sh', ['-c', script, program, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe', socket],
  });
  let stderr = '';
  child.stderr?.on('data', (piece: Buffer) => {
    stderr += piece;
  });
  const ended = once(child, 'close').then(([status, signal]) => signal ?? status);
  return { child, ended, stderr: () => stderr };
}

async function productOf(client: RawClient): Promise<unknown> {
  const [reply] = await client.call(INFO);
  return JSON.parse(reply?.text ?? '{}').parameters?.product;
}

test('a passed listening socket is served until a signal, whatever the address', async () => {
  using temp = makeTempDir();
  // By its link name in a folder of its own, with nothing but the socket.
  const program = join(temp.path, 'cfsctl');
  symlinkSync(BIN, program);
  const path = join(temp.path, 's.sock');
  using listener = UnixSocket.listen(byteStringFromText(path));
  for (const argv of [[], ['oci', 'varlink', '--address', join(temp.path, 'other.sock')]]) {
    const { child, ended, stderr } = activate(program, argv, listener.fd);
    {
      await using first = await RawClient.open(path);
      assert.equal(await productOf(first), 'cfsctl');
    }
    await using second = await RawClient.open(path);
    await using third = await RawClient.open(path);
    assert.deepEqual([await productOf(second), await productOf(third)], ['cfsctl', 'cfsctl']);
    child.kill('SIGTERM');
    assert.equal(await ended, 'SIGTERM');
    assert.equal(stderr(), '');
    assert.ok(existsSync(path) && !existsSync(join(temp.path, 'other.sock')));
  }
});

test('a passed connected socket is served until its peer closes it', async () => {
  const [ours, theirs] = UnixSocket.pair();
  const { ended, stderr } = activate(join(BIN, '../cfsctl'), ['varlink'], theirs.fd);
  theirs[Symbol.dispose]();
  {
    await using client = new RawClient(ours);
    assert.equal(await productOf(client), 'cfsctl');
  }
  assert.equal(await ended, 0);
  assert.equal(stderr(), '');
});

test('a passed descriptor that is no socket is an error', async () => {
  const { ended, stderr } = activate(join(BIN, '../cfsctl'), [], 'ignore');
  assert.equal(await ended, 1);
  assert.match(stderr(), /^Error: Cannot use as a socket "descriptor 3": it is not a socket/);
});

test('a command without an address or a socket for this process serves nothing', async () => {
  const alone = await cfsctl(['varlink']);
  assert.equal(alone.status, 1);
  assert.match(alone.stderr, /expected --address/);
  assert.equal((await cfsctl(['varlink', '--address'])).status, 2);
  const before = { ...process.env };
  for (const passed of [
    { LISTEN_FDS: '1', LISTEN_PID: '1' },
    { LISTEN_FDS: '1' },
    { LISTEN_FDS: '0', LISTEN_PID: String(process.pid) },
    { LISTEN_FDS: 'x', LISTEN_PID: String(process.pid) },
  ]) {
    Object.assign(process.env, { LISTEN_FDS: '', LISTEN_PID: '' }, passed);
    assert.equal((await cfsctl([])).status, 2, JSON.stringify(passed));
  }
  process.env = before;
});

test('a socket file gets the mode of the umask, replaces a stale one, and is removed at the end', async () => {
  using temp = makeTempDir();
  const path = join(temp.path, 's.sock');
  UnixSocket.listen(byteStringFromText(path))[Symbol.dispose]();
  assert.ok(statSync(path).isSocket());
  {
    await using service = startService('cfsctl', ['varlink'], path);
    await using client = await service.connect();
    assert.equal(await productOf(client), 'cfsctl');
    assert.equal(statSync(path).mode & 0o777, 0o777 & ~process.umask());
    const second = await cfsctl(['varlink', '--address', path]);
    assert.equal(second.status, 1);
    assert.match(second.stderr, /EADDRINUSE/);
    assert.equal(await productOf(client), 'cfsctl');
    service.child.kill('SIGTERM');
    assert.equal(await service.ended, 'SIGTERM');
  }
  assert.ok(!existsSync(path));
  writeFileSync(join(temp.path, 'plain'), 'kept');
  mkdirSync(join(temp.path, 'folder'));
  for (const name of ['plain', 'folder', 'none/s.sock']) {
    assert.equal((await cfsctl(['varlink', '--address', join(temp.path, name)])).status, 1, name);
  }
  assert.equal(readFileSync(join(temp.path, 'plain'), 'utf8'), 'kept');
});
