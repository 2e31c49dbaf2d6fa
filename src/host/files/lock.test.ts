import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { hasErrno } from '../ffi/errno.ts';
import { OPEN } from '../ffi/flags.ts';
import { flock, lockOfd, tryFlock, tryLockOfd, unlockFlock, unlockOfd } from './lock.ts';

const MODES = OPEN.create | OPEN.readWrite;

describe('locks', () => {
  for (const [kind, lock, attempt, unlock] of [
    ['flock', flock, tryFlock, unlockFlock],
    ['open file description locks', lockOfd, tryLockOfd, unlockOfd],
  ] as const) {
    it(`${kind}: readers share the lock, a writer excludes all others, and conversion and unlock work`, () => {
      using temp = makeTempDir();
      using a = temp.dir.openFile('lock', MODES);
      using b = temp.dir.openFile('lock', MODES);
      lock(a, 'shared');
      assert.equal(attempt(b, 'shared'), true);
      assert.equal(attempt(a, 'exclusive'), false);
      unlock(b);
      assert.equal(attempt(a, 'exclusive'), true);
      assert.equal(attempt(b, 'shared'), false);
      assert.equal(attempt(b, 'exclusive'), false);
      unlock(a);
      assert.equal(attempt(b, 'exclusive'), true);
    });

    it(`${kind}: closing the file releases the lock`, () => {
      using temp = makeTempDir();
      using b = temp.dir.openFile('lock', MODES);
      {
        using a = temp.dir.openFile('lock', MODES);
        lock(a, 'exclusive');
        assert.equal(attempt(b, 'shared'), false);
      }
      assert.equal(attempt(b, 'shared'), true);
    });
  }

  it('of the kinds flock and OFD are independent of each other', () => {
    using temp = makeTempDir();
    using a = temp.dir.openFile('lock', MODES);
    using b = temp.dir.openFile('lock', MODES);
    flock(a, 'exclusive');
    assert.equal(tryLockOfd(b, 'exclusive'), true);
  });

  it('of kind flock work on a directory, and exclusive OFD locks need a writable file', () => {
    using temp = makeTempDir();
    using again = temp.dir.openDir('.');
    flock(temp.dir, 'shared');
    assert.equal(tryFlock(again, 'exclusive'), false);
    assert.equal(tryFlock(again, 'shared'), true);
    temp.dir.openFile('lock', MODES)[Symbol.dispose]();
    using readOnly = temp.dir.openFile('lock');
    assert.throws(
      () => lockOfd(readOnly, 'exclusive'),
      (error) => hasErrno(error, 'EBADF'),
    );
    assert.throws(
      () => tryFlock(-1, 'shared'),
      (error) => hasErrno(error, 'EBADF'),
    );
  });
});
