import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteString } from '#base/bytes';
import {
  cloneFile,
  cloneRange,
  copyRange,
  type Dir,
  fsync,
  getXattr,
  hasErrno,
  isFullyShared,
  isImmutable,
  listXattrs,
  OPEN,
  probeHost,
  probeReflinkBetween,
  readAll,
  readExtents,
  readXattrs,
  removeXattr,
  setImmutable,
  setXattr,
  statFd,
  syncfs,
  writeAll,
} from '#host';
import { type FilesystemType, needs } from '../support/capability.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FILESYSTEMS: readonly { readonly type: FilesystemType; readonly reflink: boolean }[] = [
  { type: 'xfs', reflink: true },
  { type: 'btrfs', reflink: true },
  { type: 'ext4', reflink: false },
];
const BLOCK = 4096;

function makeFile(dir: Dir, name: string, sizeBytes: number) {
  const file = dir.openFile(name, OPEN.create | OPEN.readWrite);
  writeAll(file, Buffer.from(Array.from({ length: sizeBytes }, (_, index) => (index * 7) % 253)));
  return file;
}

for (const { type, reflink } of FILESYSTEMS) {
  describe(`on ${type}`, () => {
    it(`${reflink ? 'shares' : 'refuses to share'} extents between files`, async (t) => {
      if (!needs(t, type)) return;
      using _leaks = watchDescriptors();
      await using fs = await mountLoopFilesystem(type);
      assert.equal(probeReflinkBetween(fs.dir, fs.dir), reflink);
      assert.equal(probeHost(fs.dir).get('reflink')?.available, reflink);
      assert.equal(probeHost(fs.dir).get('tmpfile')?.available, true);
      using from = makeFile(fs.dir, 'from', 64 * BLOCK + 17);
      using whole = fs.dir.openFile('whole', OPEN.create | OPEN.readWrite);
      assert.equal(cloneFile(from, whole), reflink);
      assert.equal(statFd(whole).sizeBytes, reflink ? statFd(from).sizeBytes : 0);
      using part = fs.dir.openFile('part', OPEN.create | OPEN.readWrite);
      const range = { fromOffset: 2 * BLOCK, toOffset: BLOCK, sizeBytes: 8 * BLOCK };
      assert.equal(cloneRange(from, part, range), reflink);
      if (!reflink) return;
      const content = readAll(from, 1 << 20);
      assert.deepEqual(readAll(whole, 1 << 20), content);
      assert.deepEqual(
        readAll(part, 1 << 20),
        Buffer.concat([Buffer.alloc(BLOCK), content.subarray(2 * BLOCK, 10 * BLOCK)]),
      );
      syncfs(fs.dir);
      assert.ok(isFullyShared(whole));
    });

    it('lists the shared extents of a file with their positions', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      using from = makeFile(fs.dir, 'from', 64 * BLOCK);
      fsync(from);
      const before = readExtents(from);
      assert.equal(
        before.reduce((sum, extent) => sum + extent.sizeBytes, 0),
        64 * BLOCK,
      );
      assert.ok(before.every((extent) => extent.exact && !extent.shared));
      assert.equal(isFullyShared(from), false);
      using empty = fs.dir.openFile('empty', OPEN.create | OPEN.readWrite);
      assert.deepEqual(readExtents(empty), []);
      if (!reflink) return;
      using clone = fs.dir.openFile('clone', OPEN.create | OPEN.readWrite);
      assert.ok(cloneFile(from, clone));
      syncfs(fs.dir);
      const places = (file: typeof clone) =>
        readExtents(file).map(({ logicalOffset, physicalOffset, sizeBytes, shared }) => ({
          logicalOffset,
          physicalOffset,
          sizeBytes,
          shared,
        }));
      assert.deepEqual(places(clone), places(from));
      assert.ok(isFullyShared(from));
      writeAll(clone, Buffer.alloc(BLOCK));
      fsync(clone);
      assert.equal(isFullyShared(clone), false);
    });

    it('copies ranges, also from sources that end early', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      using from = makeFile(fs.dir, 'from', 10_000);
      using to = fs.dir.openFile('to', OPEN.create | OPEN.readWrite);
      const range = { fromOffset: 1, toOffset: 3, sizeBytes: 20_000 };
      assert.equal(copyRange(from, to, range), 9999);
      const expected = Buffer.concat([Buffer.alloc(3), readAll(from, 1 << 20).subarray(1)]);
      assert.deepEqual(readAll(to, 1 << 20), expected);
    });

    it('keeps bytes of xattr names and values, on files and on symbolic links', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      using file = makeFile(fs.dir, 'file', 1);
      const name = 'user.\xff\x80 \xc3\xa9' as ByteString;
      setXattr(file, name, Buffer.from([0, 255, 0]));
      setXattr(file, 'user.empty', new Uint8Array(0));
      const own = listXattrs(file).filter((key) => key.startsWith('user.'));
      assert.deepEqual(own.sort(), ['user.empty', name]);
      assert.deepEqual(getXattr({ dir: fs.dir, name: 'file' }, name), Buffer.from([0, 255, 0]));
      assert.equal(readXattrs(file).get('user.empty' as ByteString)?.length, 0);
      assert.equal(getXattr(file, 'user.none'), undefined);
      assert.throws(
        () => setXattr(file, name, new Uint8Array(1), 'create'),
        (error) => hasErrno(error, 'EEXIST'),
      );
      assert.throws(
        () => setXattr(file, 'user.none', new Uint8Array(1), 'replace'),
        (error) => hasErrno(error, 'ENODATA'),
      );
      assert.deepEqual([removeXattr(file, name), removeXattr(file, name)], [true, false]);
      fs.dir.symlink('nowhere', 'link\xff');
      const link = { dir: fs.dir, name: 'link\xff' };
      setXattr(link, 'trusted.overlay.x', Buffer.from('on the link'));
      assert.equal(getXattr(link, 'trusted.overlay.x')?.toString(), 'on the link');
      assert.throws(
        () => setXattr(link, 'user.x', Buffer.from('x')),
        (error) => hasErrno(error, 'EPERM'),
      );
    });

    it('keeps times before 1970 and after 2038', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      makeFile(fs.dir, 'file', 1)[Symbol.dispose]();
      for (const sec of [-1n, -2_000_000_000n, 4_000_000_000n]) {
        fs.dir.lutimens('file', 'omit', { sec, nsec: 1 });
        const stat = fs.dir.lstat('file');
        assert.deepEqual([stat?.mtimeSec, stat?.mtimeNsec], [sec, 1]);
      }
    });

    it('makes a file immutable, and changeable again', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      using file = makeFile(fs.dir, 'file', 1);
      assert.deepEqual([isImmutable(file), setImmutable(file, true)], [false, true]);
      assert.throws(
        () => fs.dir.unlink('file'),
        (error) => hasErrno(error, 'EPERM'),
      );
      assert.deepEqual([setImmutable(file, true), setImmutable(file, false)], [false, true]);
      assert.equal(fs.dir.unlink('file'), true);
    });

    it('reports a full filesystem as NO_SPACE', async (t) => {
      if (!needs(t, type)) return;
      await using fs = await mountLoopFilesystem(type);
      using file = fs.dir.tmpfile();
      const piece = Buffer.alloc(16 << 20, 1);
      assert.throws(
        () => {
          for (let index = 0; index < 64; index += 1) file.write(piece);
          fsync(file);
        },
        (error) => error instanceof Error && 'code' in error && error.code === 'NO_SPACE',
      );
    });
  });
}

describe('between two filesystems', () => {
  it('refuses to share extents, and copies', async (t) => {
    if (!needs(t, 'xfs')) return;
    await using fs = await mountLoopFilesystem('xfs');
    using temp = makeTempDir();
    assert.equal(probeReflinkBetween(temp.dir, fs.dir), false);
    using from = makeFile(temp.dir, 'from', 5000);
    using to = fs.dir.openFile('to', OPEN.create | OPEN.readWrite);
    assert.equal(cloneFile(from, to), false);
    assert.equal(copyRange(from, to, { fromOffset: 0, toOffset: 0, sizeBytes: 5000 }), 5000);
    assert.deepEqual(readAll(to, 5000), readAll(from, 5000));
    using file = temp.dir.tmpfile();
    assert.throws(
      () => file.publish(fs.dir, 'x'),
      (error) => hasErrno(error, 'EXDEV'),
    );
  });
});
