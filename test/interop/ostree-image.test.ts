import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectId } from '#base/digest';
import { encodeImage } from '#formats/erofs';
import { computeVerity, type VerityAlgorithm } from '#formats/fsverity';
import { encodeCommitStream, IMAGE_REF, readCommitStream, treeOfCommit } from '#formats/ostree';
import { openSplitstream } from '#formats/splitstream';
import { encodeDumpfile, type Tree } from '#formats/tree';
import { buildStream, EXPECTED_STREAMS, repositoryOf } from '../support/ostree-streams.ts';
import { readTarFixture } from '../support/tar-fixture.ts';

function imageOf(tree: Tree, algorithm: VerityAlgorithm): ObjectId {
  return computeVerity(encodeImage(tree, { version: 1, algorithm }), algorithm);
}

for (const [key, expected] of Object.entries(EXPECTED_STREAMS)) {
  const { commit } = expected;
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`the ${algorithm} image of ${key} has the id that composefs-ostree gave it`, async () => {
      const built = buildStream(repositoryOf(key), commit, algorithm).encode(commit);
      const bytes = await encodeCommitStream(built, { algorithm });
      const stream = readCommitStream(openSplitstream(bytes, { algorithm }));
      const { image, image_fixed, stream_after } = expected[algorithm];
      const compat = treeOfCommit(commit, stream, { compatXattrNul: true });
      assert.equal(imageOf(compat, algorithm), image);
      const after = await encodeCommitStream(built, { algorithm, image: image as ObjectId });
      assert.equal(computeVerity(after, algorithm), stream_after);
      assert.equal(openSplitstream(after, { algorithm }).namedRefs.get(IMAGE_REF), image);
      const hasXattrs = expected.sha256.image_fixed !== undefined;
      const fixed = imageOf(treeOfCommit(commit, stream), algorithm);
      if (image_fixed !== undefined) assert.equal(fixed, image_fixed);
      else if (hasXattrs) assert.notEqual(fixed, image);
      else assert.equal(fixed, image);
    });
  }
}

for (const [path, { bytes }] of readTarFixture('ostree/extra/dumps.tar.gz')) {
  const match = /([^/]+)__(.+)\.dump$/.exec(path);
  if (match === null) continue;
  const repository = match[1]?.startsWith('mini_') ? `mini/${match[1].slice(5)}` : match[1];
  const key = Object.keys(EXPECTED_STREAMS).find(
    (one) => one.replaceAll('/', '_') === `${repository}:${match[2]}`.replaceAll('/', '_'),
  );
  test(`the dump of ${path} is the one of composefs-ostree`, async () => {
    assert.ok(key, path);
    const { commit } = EXPECTED_STREAMS[key] as (typeof EXPECTED_STREAMS)[string];
    const built = buildStream(repositoryOf(key), commit, 'sha256').encode(commit);
    const file = await encodeCommitStream(built, { algorithm: 'sha256' });
    const stream = readCommitStream(openSplitstream(file, { algorithm: 'sha256' }));
    const tree = treeOfCommit(commit, stream, { compatXattrNul: true });
    assert.equal(
      Buffer.from(encodeDumpfile(tree)).toString('latin1'),
      Buffer.from(bytes).toString('latin1'),
    );
  });
}
