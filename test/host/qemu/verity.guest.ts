import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hasCode } from '#base/errors';
import { computeVerity, type VerityAlgorithm } from '#formats/fsverity';
import {
  Dir,
  enableVerity,
  enableVerityOrCopy,
  enableVerityWithRetry,
  hasErrno,
  hasVerity,
  measureVerity,
  measureVerityOr,
  OPEN,
  probeHost,
  publish,
  readAll,
  reopen,
  startWorker,
  statFd,
  tryEnableVerity,
  tryMeasureVerity,
  verifyVerity,
} from '#host';

const ALGORITHMS = ['sha256', 'sha512'] as const;
const BLOCK = 4096;
const PATTERN = Buffer.from(Array.from({ length: 4093 }, (_, index) => (index * 31) & 0xff));
/** Sizes at the edges of blocks and of levels of the Merkle tree (128 or 64 digests a block). */
const SIZES = [
  0,
  1,
  BLOCK - 1,
  BLOCK,
  BLOCK + 1,
  64 * BLOCK,
  64 * BLOCK + 1,
  128 * BLOCK,
  128 * BLOCK + 1,
  64 * 64 * BLOCK + 1,
];

/** Bytes that differ from block to block; made by native code, because everything is slow in an emulated machine. */
function content(sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, PATTERN);
}

function publishWithVerity(dir: Dir, name: string, bytes: Uint8Array, algorithm: VerityAlgorithm) {
  using file = dir.tmpfile(0o644);
  file.write(bytes);
  const verify = () => assert.equal(enableVerityOrCopy(file, dir, algorithm).outcome, 'enabled');
  assert.equal(publish(file, dir, name, { durable: true, verify }), 'published');
}

for (const filesystem of ['/ext4', '/btrfs']) {
  describe(`fs-verity on ${filesystem.slice(1)}`, () => {
    let dir: Dir;
    before(() => {
      dir = Dir.open(filesystem);
    });
    after(() => dir[Symbol.dispose]());

    it('is found by the probe', () => {
      const table = probeHost(dir);
      assert.equal(table.get('verity-sha256')?.available, true);
      assert.equal(table.get('verity-sha512')?.available, true);
    });

    for (const algorithm of ALGORITHMS) {
      it(`gives the digests that we compute with ${algorithm}`, () => {
        for (const sizeBytes of SIZES) {
          const bytes = content(sizeBytes);
          const name = `${algorithm}-${sizeBytes}`;
          publishWithVerity(dir, name, bytes, algorithm);
          using file = dir.openFile(name);
          const id = computeVerity(bytes, algorithm);
          assert.equal(measureVerity(file, algorithm), id, `${sizeBytes} bytes`);
          verifyVerity(file, id, algorithm);
          assert.equal(hasVerity(file, algorithm), true);
          assert.equal(statFd(file).verity, true);
          assert.ok(readAll(file, 1 << 28).equals(bytes));
        }
      });
    }

    it('refuses to write, to enable twice, and to be taken for another algorithm', () => {
      publishWithVerity(dir, 'twice', content(10), 'sha256');
      assert.throws(
        () => dir.openFile('twice', OPEN.write),
        (error) => hasErrno(error, 'EPERM'),
      );
      using file = dir.openFile('twice');
      assert.equal(tryEnableVerity(file, 'sha256'), 'already-enabled');
      assert.throws(
        () => enableVerity(file, 'sha256'),
        (error) => hasCode(error, 'VERITY_ALREADY_ENABLED'),
      );
      assert.throws(
        () => measureVerity(file, 'sha512'),
        (error) => hasCode(error, 'VERITY_ALGORITHM_MISMATCH'),
      );
      const other = computeVerity(content(11), 'sha256');
      assert.throws(
        () => verifyVerity(file, other, 'sha256'),
        (error) => hasCode(error, 'OBJECT_DIGEST_MISMATCH'),
      );
    });

    it('says when a file has none', () => {
      using file = dir.tmpfile();
      assert.equal(tryMeasureVerity(file, 'sha256'), undefined);
      assert.throws(
        () => measureVerity(file, 'sha256'),
        (error) => hasCode(error, 'VERITY_NOT_ENABLED'),
      );
      const id = computeVerity(new Uint8Array(0), 'sha256');
      assert.equal(
        measureVerityOr(file, 'sha256', (given) => computeVerity(readAll(given, 10), 'sha256')),
        id,
      );
    });

    it('copies a file that another process keeps open for writing, and publishes the copy', () => {
      using file = dir.tmpfile(0o640);
      file.write(content(10_000));
      using _writer = reopen(file, OPEN.readWrite);
      file.seal();
      const before = statFd(file);
      assert.equal(enableVerityWithRetry(file, 'sha256'), 'open-for-write');
      assert.deepEqual(enableVerityOrCopy(file, dir, 'sha256'), {
        outcome: 'enabled',
        copied: true,
      });
      assert.equal(statFd(file).mode, before.mode);
      assert.notEqual(statFd(file).ino, before.ino);
      assert.equal(file.publish(dir, 'copied'), 'published');
      using published = dir.openFile('copied');
      verifyVerity(published, computeVerity(content(10_000), 'sha256'), 'sha256');
    });

    it('waits for a descriptor that is about to be closed', async () => {
      using file = dir.tmpfile();
      file.write(content(100));
      const writer = reopen(file, OPEN.readWrite).detach();
      file.seal();
      const module = new URL('./close-worker.ts', import.meta.url);
      const flag = new Int32Array(new SharedArrayBuffer(4));
      const closing = startWorker<object, never, never, void>(module, { fd: writer, flag });
      Atomics.wait(flag, 0, 0);
      // The other thread closes the file now; three attempts a millisecond apart, repeated, must see it happen.
      let outcome = enableVerityWithRetry(file, 'sha256');
      for (let again = 0; again < 5000 && outcome === 'open-for-write'; again += 1) {
        outcome = enableVerityWithRetry(file, 'sha256');
      }
      await closing.done;
      assert.equal(outcome, 'enabled');
    });
  });
}

describe('fs-verity on tmpfs', () => {
  it('is not supported, and says so', () => {
    using dir = Dir.open('/tmp');
    using file = dir.tmpfile();
    file.seal();
    assert.equal(tryEnableVerity(file, 'sha256'), 'unsupported');
    assert.equal(tryMeasureVerity(file, 'sha256'), undefined);
    assert.throws(
      () => measureVerity(file, 'sha256'),
      (error) => hasCode(error, 'FSVERITY_UNSUPPORTED'),
    );
  });
});
