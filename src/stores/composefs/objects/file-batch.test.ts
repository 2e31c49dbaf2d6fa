import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { computeVerity } from '#formats/fsverity';
import { closeFd, OPEN } from '#host';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { FileBatch, type HashedFile } from './file-batch.ts';

const MIB = 1 << 20;

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`files of every size get their ${algorithm} digest, queued or hashed at once`, () => {
    using temp = makeTempDir();
    const { path, dir } = temp;
    const sizes = [0, 1, 4096, 4097, 300_000, MIB - 1, MIB, MIB + 1, 5, 3 * MIB, 700_000, 0, 8192];
    const contents = sizes.map((size) => Buffer.alloc(size, `content of ${size} bytes`));
    const batch = new FileBatch(algorithm);
    const found: HashedFile[] = [];
    let waiting: number[] = [];
    const finish = () => {
      const places = waiting;
      waiting = [];
      for (const [at, file] of batch.finish().entries()) found[places[at] ?? -1] = file;
    };
    for (const [index, content] of contents.entries()) {
      writeFileSync(join(path, `${index}`), content);
      const fd = dir.tryOpenFd(`${index}` as ByteString, OPEN.read);
      assert(fd !== undefined);
      const large = batch.add(fd);
      closeFd(fd);
      if (large === undefined) waiting.push(index);
      else found[index] = large;
      if (batch.isFull) finish();
    }
    finish();
    assert.deepEqual(
      found,
      contents.map((bytes) => ({ id: computeVerity(bytes, algorithm), sizeBytes: bytes.length })),
    );
    assert.deepEqual(batch.finish(), []);
  });

  test(`an unreadable file does not affect the ${algorithm} digests of the others`, () => {
    using temp = makeTempDir();
    const { path, dir } = temp;
    const batch = new FileBatch(algorithm);
    writeFileSync(join(path, 'good'), 'good');
    const good = dir.tryOpenFd('good' as ByteString, OPEN.read);
    assert(good !== undefined);
    assert.equal(batch.add(good), undefined);
    closeFd(good);
    const notAFile = dir.tryOpenFd('.' as ByteString, OPEN.read);
    assert(notAFile !== undefined);
    assert.throws(() => batch.add(notAFile), { code: 'SYSCALL_FAILED' });
    closeFd(notAFile);
    const id = computeVerity(Buffer.from('good'), algorithm);
    assert.deepEqual(batch.finish(), [{ id, sizeBytes: 4 }]);
  });
}
