import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { ERRNO, hasErrno } from '../ffi/errno.ts';
import { setSyscallObserver } from '../ffi/ffi.ts';
import { readAll } from './file.ts';
import { statFd } from './stat.ts';
import {
  enableVerity,
  enableVerityOrCopy,
  enableVerityWithRetry,
  hasVerity,
  measureVerity,
  measureVerityOr,
  tryEnableVerity,
  tryMeasureVerity,
  verifyVerity,
} from './verity.ts';

const ID = 'ab'.repeat(32) as ObjectId;

/** Lets the next ioctl calls answer these errno numbers (0 is success); the last one stays. */
function answerIoctl(...answers: number[]): { readonly count: () => number } {
  let count = 0;
  setSyscallObserver((name) => {
    if (name !== 'ioctl') return undefined;
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    return answer;
  });
  return { count: () => count };
}

afterEach(() => setSyscallObserver(undefined));

describe('enabling fs-verity, by the answer of the kernel', () => {
  for (const [errno, outcome] of [
    [0, 'enabled'],
    [ERRNO.EEXIST, 'already-enabled'],
    [ERRNO.ETXTBSY, 'open-for-write'],
    [ERRNO.ENOTTY, 'unsupported'],
    [ERRNO.EOPNOTSUPP, 'unsupported'],
  ] as const) {
    it(`answers "${outcome}" for errno ${errno}`, () => {
      using temp = makeTempDir();
      using file = temp.dir.tmpfile();
      answerIoctl(errno);
      assert.equal(tryEnableVerity(file, 'sha256'), outcome);
    });
  }

  for (const [errno, code] of [
    [ERRNO.EKEYREJECTED, 'VERITY_SIGNATURE_REJECTED'],
    [ERRNO.EPERM, 'SYSCALL_FAILED'],
    [ERRNO.ENOSPC, 'NO_SPACE'],
    [ERRNO.EEXIST, 'VERITY_ALREADY_ENABLED'],
    [ERRNO.ETXTBSY, 'FILE_OPEN_FOR_WRITE'],
    [ERRNO.ENOTTY, 'FSVERITY_UNSUPPORTED'],
  ] as const) {
    it(`throws ${code} for errno ${errno}`, () => {
      using temp = makeTempDir();
      using file = temp.dir.tmpfile();
      answerIoctl(errno);
      assert.throws(
        () => enableVerity(file, 'sha512'),
        (error) => hasCode(error, code),
      );
    });
  }

  it('tries three times while the file is open for writing', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    const twice = answerIoctl(ERRNO.ETXTBSY, ERRNO.ETXTBSY, 0);
    assert.equal(enableVerityWithRetry(file, 'sha256'), 'enabled');
    assert.equal(twice.count(), 3);
    const always = answerIoctl(ERRNO.ETXTBSY);
    assert.equal(enableVerityWithRetry(file, 'sha256'), 'open-for-write');
    assert.equal(always.count(), 3);
    const once = answerIoctl(ERRNO.EOPNOTSUPP);
    assert.equal(enableVerityWithRetry(file, 'sha256'), 'unsupported');
    assert.equal(once.count(), 1);
  });
});

describe('enableVerityOrCopy', () => {
  it('keeps the file if fs-verity can be enabled on it', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    file.seal();
    const { ino } = statFd(file);
    answerIoctl(0);
    assert.deepEqual(enableVerityOrCopy(file, temp.dir, 'sha256'), {
      outcome: 'enabled',
      copied: false,
    });
    assert.equal(statFd(file).ino, ino);
  });

  it('uses a copy of the same content and mode when another process holds the file open', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile(0o640);
    file.write(Buffer.from('content'));
    file.seal();
    const before = statFd(file);
    const calls = answerIoctl(ERRNO.ETXTBSY, ERRNO.ETXTBSY, ERRNO.ETXTBSY, 0);
    assert.deepEqual(enableVerityOrCopy(file, temp.dir, 'sha256'), {
      outcome: 'enabled',
      copied: true,
    });
    assert.equal(calls.count(), 4);
    setSyscallObserver(undefined);
    const after = statFd(file);
    assert.notEqual(after.ino, before.ino);
    assert.equal(after.mode, before.mode);
    assert.equal(file.publish(temp.dir, 'name'), 'published');
    assert.equal(temp.dir.lstat('name')?.ino, after.ino, 'the copy is what is published');
    using read = temp.dir.openFile('name');
    assert.equal(readAll(read, 100).toString(), 'content');
  });

  it('stops after a bounded number of copies, and leaves the file unchanged', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    file.seal();
    const { ino } = statFd(file);
    const calls = answerIoctl(ERRNO.ETXTBSY);
    assert.deepEqual(enableVerityOrCopy(file, temp.dir, 'sha256'), {
      outcome: 'open-for-write',
      copied: false,
    });
    assert.equal(calls.count(), 27);
    assert.equal(statFd(file).ino, ino);
    setSyscallObserver(undefined);
    assert.deepEqual(temp.dir.readEntries(), []);
  });
});

describe('measuring fs-verity, by the answer of the kernel', () => {
  it('distinguishes "not enabled", "not supported" and a failure', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    answerIoctl(ERRNO.ENODATA);
    assert.equal(tryMeasureVerity(file, 'sha256'), undefined);
    assert.equal(hasVerity(file, 'sha256'), false);
    assert.throws(
      () => measureVerity(file, 'sha256'),
      (error) => hasCode(error, 'VERITY_NOT_ENABLED'),
    );
    for (const errno of [ERRNO.ENOTTY, ERRNO.EOPNOTSUPP]) {
      answerIoctl(errno);
      assert.equal(tryMeasureVerity(file, 'sha512'), undefined);
      assert.throws(
        () => measureVerity(file, 'sha512'),
        (error) => hasCode(error, 'FSVERITY_UNSUPPORTED'),
      );
    }
    answerIoctl(ERRNO.EIO);
    assert.throws(
      () => tryMeasureVerity(file, 'sha256'),
      (error) => hasErrno(error, 'EIO'),
    );
  });

  it('computes the digest if the kernel has none', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    answerIoctl(ERRNO.EOPNOTSUPP);
    assert.equal(
      measureVerityOr(file, 'sha256', (given) => (given === file ? ID : ('' as ObjectId))),
      ID,
    );
  });

  it('refuses a digest of another algorithm and a different digest', () => {
    using temp = makeTempDir();
    using file = temp.dir.tmpfile();
    // The request stays in place as the answer: algorithm 1 with the 64 bytes of capacity of the request.
    answerIoctl(0);
    assert.throws(
      () => measureVerity(file, 'sha256'),
      (error) => hasCode(error, 'VERITY_ALGORITHM_MISMATCH'),
    );
    // With SHA-512 the capacity equals the correct size, and the digest is old memory: not the expected one.
    assert.throws(
      () => verifyVerity(file, ID, 'sha512'),
      (error) => hasCode(error, 'OBJECT_DIGEST_MISMATCH') && error.details['expected'] === ID,
    );
  });
});
