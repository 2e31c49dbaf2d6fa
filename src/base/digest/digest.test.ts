import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import {
  algorithmOf,
  computeContentDigest,
  createHasherLike,
  hexOf,
  isContentDigest,
  parseContentDigest,
  parseDiffId,
  parseObjectId,
  parseOstreeChecksum,
} from './index.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('parsing a content digest gives algorithm and hash, or refuses the whole text', () => {
  const digest = parseContentDigest(EMPTY);
  assert.equal(algorithmOf(digest), 'sha256');
  assert.equal(hexOf(digest), EMPTY.slice(7));
  assert.equal(computeContentDigest(new Uint8Array(0)), EMPTY);
});

for (const text of [
  '',
  'sha256',
  'sha256:',
  EMPTY.slice(0, -1),
  `${EMPTY}0`,
  EMPTY.toUpperCase(),
  'md5:d41d8cd98f00b204e9800998ecf8427e',
  'sha256:../../etc/passwd',
  `${EMPTY}\n`,
]) {
  test(`the digest "${text.slice(0, 30)}" is refused`, () => {
    assert.ok(!isContentDigest(text));
    assert.throws(
      () => parseContentDigest(text),
      (error) => hasCode(error, 'DIGEST_INVALID'),
    );
    assert.throws(
      () => parseDiffId(text),
      (error) => hasCode(error, 'DIGEST_INVALID'),
    );
  });
}

test('an object id has 64 or 128 hex characters and is converted to lower case', () => {
  assert.equal(parseObjectId('AB'.repeat(32)), 'ab'.repeat(32));
  assert.equal(parseObjectId('ab'.repeat(64)).length, 128);
  assert.throws(
    () => parseObjectId('ab'.repeat(33)),
    (error) => hasCode(error, 'DIGEST_INVALID'),
  );
  assert.throws(
    () => parseOstreeChecksum('AB'.repeat(32)),
    (error) => hasCode(error, 'DIGEST_INVALID'),
  );
});

test('a hasher uses the algorithm of the digest that it verifies', () => {
  const wanted = computeContentDigest(Buffer.from('abc'), 'sha512');
  const hasher = createHasherLike(wanted);
  hasher.update(Buffer.from('a'));
  hasher.update(Buffer.from('bc'));
  assert.equal(hasher.finish(), wanted);
});
