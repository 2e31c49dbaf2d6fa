import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ByteString } from '#base/bytes';
import { HostError, hasCode } from '#base/errors';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { hasErrno } from '../ffi/errno.ts';
import { setSyscallObserver } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import { openBeneath } from '../mounts/mount.ts';
import { Dir } from './dir.ts';
import {
  fchmod,
  futimens,
  readAll,
  readPieces,
  readSome,
  truncate,
  writeAll,
  writeAt,
} from './file.ts';
import { fsyncParent, publish } from './publish.ts';
import { statFd } from './stat.ts';
import { readFilesystemState } from './statvfs.ts';

/** A name that is not UTF-8, and one whose bytes are. */
const UGLY = 'a\xff\x80\n b' as ByteString;

const isAbout = (path: string) => (error: unknown) =>
  hasErrno(error, 'EBADF') && error instanceof HostError && error.details['target'] === path;

describe('Dir', () => {
  it('keeps names that are not UTF-8 exactly', () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    assert.ok(temp.dir.mkdir(UGLY));
    using inner = temp.dir.openDir(UGLY);
    inner.openFile('é' as ByteString, OPEN.create | OPEN.write)[Symbol.dispose]();
    assert.deepEqual(temp.dir.readEntries(), [{ name: UGLY, type: 'directory' }]);
    assert.deepEqual(inner.readEntries(), [{ name: '\xe9', type: 'file' }]);
    assert.equal(temp.dir.lstat(`${UGLY}/\xe9`)?.type, 'file');
  });

  it('names the file of a bare descriptor in errors, or the directory of an unnamed file', () => {
    using temp = makeTempDir();
    using file = temp.dir.openFile('file', OPEN.create | OPEN.read);
    using unnamed = temp.dir.openFile('.', OPEN.tmpfile | OPEN.write);
    assert.throws(() => writeAll(file.fd, Buffer.from('x')), isAbout(join(temp.path, 'file')));
    assert.throws(() => readSome(unnamed.fd, Buffer.alloc(1)), isAbout(temp.path));
    assert.throws(() => writeAll(9999, Buffer.from('x')), isAbout('descriptor 9999'));
  });

  it('refuses names that lead outside the directory', () => {
    using temp = makeTempDir();
    for (const name of ['', '/etc', '..', 'a/..', '../x', 'a/../b', 'a\0b', 'snow\u2603']) {
      assert.throws(
        () => temp.dir.tryOpenFile(name),
        (error) => hasErrno(error, 'EINVAL'),
        name,
      );
      assert.throws(
        () => temp.dir.mkdir(name),
        (error) => hasErrno(error, 'EINVAL'),
        name,
      );
      assert.throws(
        () => temp.dir.rename('x', name),
        (error) => hasErrno(error, 'EINVAL'),
        name,
      );
    }
    assert.equal(temp.dir.lstat('..x'), undefined);
    assert.throws(
      () => temp.dir.lstat('x'.repeat(4096)),
      (error) => hasErrno(error, 'ENAMETOOLONG'),
    );
  });

  it('reports code, errno, system call, target and hint of a failure', () => {
    using temp = makeTempDir();
    const error = (() => {
      try {
        temp.dir.openFile('none/\xc3\xa9');
      } catch (reason) {
        return reason;
      }
      return undefined;
    })();
    assert.ok(hasCode(error, 'SYSCALL_FAILED'));
    const target = `${temp.path}/none/é`;
    assert.deepEqual(error.details, { errno: 'ENOENT', syscall: 'openat', target });
    assert.equal(error.message, `Cannot open "${target}": it does not exist (ENOENT)`);
  });

  it('maps a full disk to NO_SPACE, and gives a hint for a missing permission', () => {
    using temp = makeTempDir();
    try {
      setSyscallObserver((name) => (name === 'mkdirat' ? 28 : undefined));
      assert.throws(
        () => temp.dir.mkdir('x'),
        (error) => hasCode(error, 'NO_SPACE') && error.exitCode === 14,
      );
      setSyscallObserver((name) => (name === 'mkdirat' ? 122 : undefined));
      assert.throws(
        () => temp.dir.mkdir('x'),
        (error) => hasCode(error, 'NO_SPACE'),
      );
      setSyscallObserver((name) => (name === 'mkdirat' ? 13 : undefined));
      assert.throws(
        () => temp.dir.mkdir('x'),
        (error) => hasCode(error, 'SYSCALL_FAILED') && error.hint !== undefined,
      );
    } finally {
      setSyscallObserver(undefined);
    }
    assert.ok(temp.dir.mkdir('x'), 'nothing is watched any more');
  });

  it('distinguishes created from existing, and removed from missing', () => {
    using temp = makeTempDir();
    const { dir } = temp;
    assert.deepEqual([dir.mkdir('d'), dir.mkdir('d')], [true, false]);
    assert.deepEqual([dir.symlink('to', 'l'), dir.symlink('to', 'l')], [true, false]);
    assert.deepEqual([dir.link('l', 'm'), dir.link('l', 'm')], [true, false]);
    assert.deepEqual(
      [dir.makeNode('p', 'fifo', 0o600), dir.makeNode('p', 'fifo', 0o600)],
      [true, false],
    );
    assert.deepEqual([dir.renameNoReplace('p', 'm'), dir.renameNoReplace('p', 'q')], [false, true]);
    assert.deepEqual([dir.unlink('q'), dir.unlink('q')], [true, false]);
    assert.deepEqual([dir.rmdir('d'), dir.rmdir('d')], [true, false]);
    assert.deepEqual([dir.readlink('m'), dir.readlink('none')], ['to', undefined]);
    assert.deepEqual(
      [dir.lstat('none'), dir.stat('l'), dir.lstat('l/x')],
      [undefined, undefined, undefined],
    );
    assert.equal(dir.tryOpenDir('none'), undefined);
    assert.throws(
      () => dir.unlink('.'),
      (error) => hasErrno(error, 'EISDIR'),
    );
    assert.throws(
      () => dir.readlink('.'),
      (error) => hasErrno(error, 'EINVAL'),
    );
  });

  it('exchanges two names atomically', () => {
    using temp = makeTempDir();
    temp.dir.symlink('1', 'a');
    temp.dir.symlink('2', 'b');
    temp.dir.renameExchange('a', 'b');
    assert.deepEqual([temp.dir.readlink('a'), temp.dir.readlink('b')], ['2', '1']);
  });

  it('replaces a symbolic link atomically and leaves no temporary name', () => {
    using temp = makeTempDir();
    temp.dir.mkdir('refs');
    const { dir } = temp;
    assert.deepEqual(
      [
        dir.replaceSymlink('../1', 'refs/x'),
        dir.replaceSymlink('../1', 'refs/x'),
        dir.replaceSymlink('../2', 'refs/x'),
      ],
      [true, false, true],
    );
    assert.equal(dir.readlink('refs/x'), '../2');
    dir.mkdir('refs/d');
    assert.throws(
      () => dir.replaceSymlink('../2', 'refs/d'),
      (error) => hasErrno(error, 'EISDIR'),
    );
    using refs = dir.openDir('refs');
    assert.deepEqual(
      refs
        .readEntries()
        .map(({ name }) => name)
        .sort(),
      ['d', 'x'],
    );
  });

  it('reads the same stat as Node, also for times before 1970', () => {
    using temp = makeTempDir();
    using file = temp.dir.openFile('f', OPEN.create | OPEN.readWrite, 0o600);
    writeAll(file, Buffer.alloc(5000));
    fchmod(file, 0o4711);
    futimens(file, 'omit', { sec: -5n, nsec: 999_999_999 });
    const stat = statFd(file);
    assert.deepEqual(stat, temp.dir.lstat('f'));
    assert.equal(stat.type, 'file');
    assert.equal(stat.mode, 0o4711);
    assert.equal(stat.sizeBytes, 5000);
    assert.deepEqual([stat.mtimeSec, stat.mtimeNsec], [-5n, 999_999_999]);
    assert.equal(stat.nlink, 1);
    temp.dir.symlink('f', 'l');
    temp.dir.lutimens('l', 'omit', { sec: 7n, nsec: 0 });
    assert.equal(temp.dir.lstat('l')?.mtimeSec, 7n);
    assert.equal(temp.dir.stat('l')?.mtimeSec, -5n);
  });

  it('lists a large directory completely, twice through one handle', () => {
    using temp = makeTempDir();
    const expected: string[] = [];
    for (let index = 0; index < 3000; index += 1) {
      const name = `${index}-${'n'.repeat(40)}`;
      temp.dir.symlink('x', name);
      expected.push(name);
    }
    expected.sort();
    for (let pass = 0; pass < 2; pass += 1) {
      assert.deepEqual(
        temp.dir
          .readEntries()
          .map(({ name }) => name as string)
          .sort(),
        expected,
      );
    }
  });

  it('does not follow a symbolic link with the option against it', () => {
    using temp = makeTempDir();
    temp.dir.mkdir('d');
    temp.dir.symlink('d', 'l');
    temp.dir.openDir('l')[Symbol.dispose]();
    assert.throws(
      () => temp.dir.openDir('l', { noFollow: true }),
      (error) => hasErrno(error, 'ENOTDIR'),
    );
  });

  it('closes once, however often it is disposed of', () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    const dir = temp.dir.openDir('.');
    dir[Symbol.dispose]();
    using other = Dir.open(temp.path);
    dir[Symbol.dispose]();
    assert.equal(other.statSelf().type, 'directory');
  });
});

describe('openBeneath', () => {
  it('never leaves the directory', () => {
    using temp = makeTempDir();
    temp.dir.mkdir('in');
    temp.dir.symlink('in', 'near');
    temp.dir.symlink('/', 'far');
    temp.dir.symlink('../..', 'up');
    openBeneath(temp.dir, 'near', OPEN.read)[Symbol.dispose]();
    for (const name of ['far', 'up']) {
      assert.throws(
        () => openBeneath(temp.dir, name, OPEN.read),
        (error) => hasErrno(error, 'EXDEV'),
      );
    }
    assert.throws(
      () => openBeneath(temp.dir, 'near', OPEN.read, 'refuse'),
      (error) => hasErrno(error, 'ELOOP'),
    );
    using root = openBeneath(temp.dir, 'far', OPEN.read, 'in-root');
    assert.equal(statFd(root).ino, temp.dir.statSelf().ino);
  });
});

describe('file content', () => {
  it('is read back as written, whole, in pieces and up to a limit', () => {
    using temp = makeTempDir();
    using file = temp.dir.openFile('f', OPEN.create | OPEN.readWrite);
    const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
    writeAll(file, bytes.subarray(0, 6000));
    writeAt(file, bytes.subarray(6000), 6000);
    assert.deepEqual(readAll(file, 10_000), bytes);
    assert.throws(
      () => readAll(file, 9999),
      (error) => hasErrno(error, 'EFBIG'),
    );
    const pieces = [...readPieces(file, 4096)].map((piece) => piece.length);
    assert.deepEqual(pieces, [4096, 4096, 1808]);
    truncate(file, 3);
    assert.deepEqual(readAll(file, 10), bytes.subarray(0, 3));
    assert.equal(readSome(file, Buffer.alloc(10)), 0);
  });

  it('is read completely if the size is not known in advance', () => {
    using proc = Dir.open('/proc/self');
    using file = proc.openFile('status');
    assert.match(readAll(file, 1 << 20).toString(), /^Name:.*\nVmPeak|^Name:[\s\S]*nonvoluntary/);
    assert.throws(
      () => readAll(file, 10),
      (error) => hasErrno(error, 'EFBIG'),
    );
  });

  it('comes with the free space of the filesystem', () => {
    using temp = makeTempDir();
    const state = readFilesystemState(temp.dir);
    assert.equal(state.readOnly, false);
    assert.ok(state.availableBytes > 0 && state.availableBytes <= state.freeBytes);
    assert.ok(state.freeBytes <= state.totalBytes);
    assert.ok(temp.dir.isWritable());
  });
});

describe('publishing', () => {
  it('leaves nothing behind for a file that is not published', () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    {
      using file = temp.dir.tmpfile();
      file.write(Buffer.from('x'));
    }
    assert.deepEqual(temp.dir.readEntries(), []);
  });

  it('never replaces a name: a second file gets the outcome "exists"', () => {
    using temp = makeTempDir();
    temp.dir.mkdir('d');
    for (const [content, outcome] of [
      ['first', 'published'],
      ['second', 'exists'],
    ] as const) {
      using file = temp.dir.tmpfile(0o644);
      file.write(Buffer.from(content));
      assert.equal(publish(file, temp.dir, 'd/name', { durable: true }), outcome);
    }
    using read = temp.dir.openFile('d/name');
    assert.equal(readAll(read, 100).toString(), 'first');
  });

  it('publishes nothing that the verifier refuses', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    const verify = () => {
      throw new RangeError('refused');
    };
    assert.throws(() => publish(file, temp.dir, 'name', { durable: true, verify }), /refused/);
    assert.equal(temp.dir.lstat('name'), undefined);
  });

  it('uses a temporary name on a filesystem without O_TMPFILE', () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    let first = true;
    setSyscallObserver((name) => {
      if (name !== 'openat' || !first) return undefined;
      first = false;
      return 95;
    });
    try {
      using file = temp.dir.tmpfile();
      assert.equal(file.anonymous, false);
      assert.match(temp.dir.readEntries()[0]?.name ?? '', /^\.tmp-object-[A-Za-z0-9]{12}$/);
      file.write(Buffer.from('x'));
      temp.dir.symlink('there', 'taken');
      assert.equal(file.publish(temp.dir, 'taken'), 'exists');
      assert.equal(file.publish(temp.dir, 'name'), 'published');
    } finally {
      setSyscallObserver(undefined);
    }
    assert.deepEqual(
      temp.dir
        .readEntries()
        .map(({ name }) => name as string)
        .sort(),
      ['name', 'taken'],
    );
  });

  it('removes the temporary name of an abandoned file', () => {
    using temp = makeTempDir();
    let first = true;
    setSyscallObserver((name) => {
      if (name !== 'openat' || !first) return undefined;
      first = false;
      return 21;
    });
    try {
      using _file = temp.dir.tmpfile();
    } finally {
      setSyscallObserver(undefined);
    }
    assert.deepEqual(temp.dir.readEntries(), []);
  });

  it('falls back to /proc if the descriptor must not be linked directly', () => {
    using temp = makeTempDir();
    let links = 0;
    setSyscallObserver((name) => {
      if (name !== 'linkat') return undefined;
      links += 1;
      return links === 1 ? 2 : undefined;
    });
    try {
      using file = temp.dir.tmpfile();
      assert.equal(file.publish(temp.dir, 'name'), 'published');
      assert.equal(links, 2);
      using other = temp.dir.tmpfile();
      assert.equal(other.publish(temp.dir, 'other'), 'published');
      assert.equal(links, 3, 'the direct way is not tried again');
      assert.throws(
        () => other.publish(temp.dir, 'none/other'),
        (error) => hasErrno(error, 'ENOENT'),
      );
    } finally {
      setSyscallObserver(undefined);
    }
  });

  it('syncs the file before it links the name, and the directory afterwards', () => {
    using temp = makeTempDir();
    temp.dir.mkdir('d');
    const calls: string[] = [];
    using file = temp.dir.tmpfile();
    setSyscallObserver((name) => {
      if (name === 'fsync' || name === 'linkat') calls.push(name);
      return undefined;
    });
    try {
      publish(file, temp.dir, 'd/name', { durable: true });
      assert.deepEqual(calls, ['fsync', 'linkat', 'fsync']);
      fsyncParent(temp.dir, 'name');
      assert.equal(calls.length, 4);
    } finally {
      setSyscallObserver(undefined);
    }
  });
});

it('a closed Dir refuses every call, even if another directory has its descriptor number', () => {
  using temp = makeTempDir();
  const closed = Dir.open(temp.path);
  closed[Symbol.dispose]();
  using other = Dir.open('/');
  for (const use of [
    () => closed.readEntries(),
    () => closed.openFile('x', OPEN.write | OPEN.create),
    () => closed.mkdir('x'),
    () => readFilesystemState(closed),
  ]) {
    assert.throws(use, (error) => hasErrno(error, 'EBADF'));
  }
  assert.ok(other.readEntries().length > 0);
});
