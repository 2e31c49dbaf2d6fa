import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { type ErrorCode, isOnecopyError } from '#base/errors';
import { readTarFixture, readTarFolder } from '../../../../test/support/tar-fixture.ts';
import {
  computeFileChecksum,
  inflateContent,
  parseCommit,
  parseFilez,
  parseRefFile,
  requireChecksum,
  verifyBindings,
  walkCommit,
} from '../index.ts';

/** The expected result for every damaged repository; results of the real tools are in r-corrupt.expected-2026.5.txt. */
const EXPECTED: Readonly<Record<string, ErrorCode | 'accepted' | 'missing'>> = {
  '00-good': 'accepted',
  '02-payload-truncated': 'accepted',
  '04-header-size-bigger': 'OSTREE_PAYLOAD_INVALID',
  '06-header-rdev': 'OSTREE_HEADER_INVALID',
  '08-prefix-len-too-long': 'OSTREE_HEADER_INVALID',
  '10-xattrs-unsorted-on-wire-sum-sorted': 'accepted',
  '12-xattr-name-without-nul': 'OSTREE_XATTR_INVALID',
  '14-missing-file': 'missing',
  '16-missing-dirmeta': 'missing',
  '18-dirtree-slash-name': 'OSTREE_NAME_INVALID',
  '20-dirtree-empty-name': 'OSTREE_NAME_INVALID',
  '22-dirtree-file-and-dir-same-name': 'OSTREE_NAME_DUPLICATE',
  '24-dirtree-checksum-31-bytes': 'OSTREE_CHECKSUM_LENGTH',
  '26-dirtree-invalid-utf8': 'GVARIANT_NOT_NORMAL',
  '28-commit-truncated': 'OSTREE_CHECKSUM_MISMATCH',
  '30-binding-other-ref': 'OSTREE_BINDING_MISMATCH',
  '32-ref-junk': 'OSTREE_REF_INVALID',
  '34-ref-no-newline': 'accepted',
  '36-symlink-empty-target': 'accepted',
  '38-dirmeta-xattrs-unsorted': 'OSTREE_XATTR_INVALID',
  '40-mode-type-bits-missing': 'OSTREE_MODE_INVALID',
  '42-regular-with-symlink-target': 'OSTREE_CHECKSUM_MISMATCH',
  '44-dirtree-cycle-impossible-self-name': 'OSTREE_NAME_INVALID',
};

/** Resolves the ref `t`, then reads and verifies all objects that it reaches, as a pull does. */
function pullAll(folder: string): 'accepted' | 'missing' {
  const files = readTarFolder('ostree/r-corrupt.tar.gz', folder);
  const object = (checksum: OstreeChecksum, extension: string): Uint8Array | undefined =>
    files.get(`objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${extension}`)?.bytes;
  const commit = parseRefFile(files.get('refs/heads/t')?.bytes ?? new Uint8Array());
  for (const { kind, checksum, isMissing } of walkCommit(commit, object, { verify: true })) {
    if (isMissing) return 'missing';
    if (kind === 'commit') {
      verifyBindings(parseCommit(object(checksum, 'commit') ?? new Uint8Array()), { ref: 't' });
    }
    if (kind !== 'file') continue;
    const bytes = object(checksum, 'filez');
    if (bytes === undefined) return 'missing';
    const { header, payload } = parseFilez(bytes);
    requireChecksum(computeFileChecksum(header, inflateContent(header, payload)), checksum, 'file');
  }
  return 'accepted';
}

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`pulling the damaged repository ${name} has the outcome ${expected}`, () => {
    const run = (): string => pullAll(`r-corrupt/${name}`);
    if (expected === 'accepted' || expected === 'missing') assert.equal(run(), expected);
    else assert.throws(run, (error) => isOnecopyError(error) && error.code === expected);
  });
}

test('every damaged repository of the fixtures is listed', () => {
  const names = [...readTarFixture('ostree/r-corrupt.tar.gz').keys()]
    .map((path) => /^r-corrupt\/([^/]+)$/.exec(path)?.[1])
    .filter((name) => name !== undefined);
  assert.deepEqual(names.sort(), Object.keys(EXPECTED));
});
