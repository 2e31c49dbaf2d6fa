import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { algorithmOfKernelId, formatAlgorithmId, parseAlgorithmId } from './algorithm-id.ts';
import { ALGORITHMS } from './layout.ts';
import {
  algorithmOfObject,
  objectIdBytes,
  objectIdOf,
  objectPath,
  parseObjectPath,
} from './object-path.ts';

const ID = 'abcdef0123456789'.repeat(4) as ObjectId;

test('algorithm ids of both hashes survive a round trip', () => {
  for (const name of ['sha256', 'sha512'] as const) {
    assert.equal(parseAlgorithmId(formatAlgorithmId(name)), name);
    assert.equal(algorithmOfKernelId(ALGORITHMS[name].kernelId), name);
  }
  assert.equal(algorithmOfKernelId(3), undefined);
});

for (const [text, reason] of [
  ['sha256-12', 'missing prefix'],
  ['garbage', 'missing prefix'],
  ['fsverity-sha256', 'missing separator'],
  ['fsverity-sha256-abc', 'invalid block size'],
  ['fsverity-sha256-256', 'invalid block size'],
  ['fsverity-sha256-', 'invalid block size'],
  ['fsverity-sha256-16', 'unsupported block size'],
  ['fsverity-sha1-12', 'unknown hash'],
  ['fsverity-sha256-sha256-12', 'unknown hash'],
] as const) {
  test(`parseAlgorithmId refuses "${text}": ${reason}`, () => {
    assert.throws(
      () => parseAlgorithmId(text),
      (error) =>
        error instanceof FormatError &&
        error.code === 'FSVERITY_ALGORITHM_INVALID' &&
        error.details['reason'] === reason,
    );
  });
}

test('object paths split after the first byte, and are parsed below any prefix', () => {
  const path = objectPath(ID);
  assert.equal(path, `ab/${ID.slice(2)}`);
  for (const prefix of ['', '/', '../objects/', 'ff']) {
    assert.equal(parseObjectPath(prefix + path, 'sha256'), ID);
  }
  assert.equal(parseObjectPath(path.toUpperCase(), 'sha256'), ID);
});

for (const [what, path, reason] of [
  ['a short path', objectPath(ID).slice(1), /expected at least 65 characters/],
  ['no slash at the third place', `${ID}0`, /invalid character "c" at 2/],
  ['a wrong character in the directory', `xb/${ID.slice(2)}`, /invalid character "x" at 0/],
  ['a wrong character in the name', `ab/${ID.slice(3)}x`, /invalid character "x" at 64/],
] as const) {
  test(`parseObjectPath refuses ${what}`, () => {
    assert.throws(
      () => parseObjectPath(path, 'sha256'),
      (error) =>
        error instanceof FormatError &&
        error.code === 'DIGEST_INVALID' &&
        reason.test(error.message),
    );
  });
}

test('raw digests and object ids convert in both directions and keep their algorithm', () => {
  assert.equal(objectIdOf(objectIdBytes(ID)), ID);
  assert.equal(algorithmOfObject(ID), 'sha256');
  assert.equal(algorithmOfObject((ID + ID) as ObjectId), 'sha512');
});
