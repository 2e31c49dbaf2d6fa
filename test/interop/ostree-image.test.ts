import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ObjectId, parseOstreeChecksum } from '#base/digest';
import { encodeImage } from '#formats/erofs';
import { computeVerity, type VerityAlgorithm } from '#formats/fsverity';
import { encodeCommitStream, IMAGE_REF, readCommitStream, treeOfCommit } from '#formats/ostree';
import { openSplitstream } from '#formats/splitstream';
import { encodeDumpfile, type Tree } from '#formats/tree';
import { buildStream, EXPECTED_STREAMS, repositoryOf } from '../support/ostree-streams.ts';
import { readTarFixture, readTarFolder } from '../support/tar-fixture.ts';

function imageOf(tree: Tree, algorithm: VerityAlgorithm): ObjectId {
  return computeVerity(encodeImage(tree, { version: 1, algorithm }), algorithm);
}

for (const [key, expected] of Object.entries(EXPECTED_STREAMS)) {
  const { commit } = expected;
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`the ${algorithm} image of ${key} has the id of composefs-ostree`, async () => {
      const built = buildStream(repositoryOf(key), commit, algorithm).encode(commit);
      const bytes = await encodeCommitStream(built, { algorithm });
      const stream = readCommitStream(openSplitstream(bytes, { algorithm }));
      const { image, image_fixed, stream_after } = expected[algorithm];
      const compat = treeOfCommit(commit, stream, { reading: 'cfsctl' });
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
  test(`the dump of ${path} equals that of composefs-ostree`, async () => {
    assert.ok(key, path);
    const { commit } = EXPECTED_STREAMS[key] as (typeof EXPECTED_STREAMS)[string];
    const built = buildStream(repositoryOf(key), commit, 'sha256').encode(commit);
    const file = await encodeCommitStream(built, { algorithm: 'sha256' });
    const stream = readCommitStream(openSplitstream(file, { algorithm: 'sha256' }));
    const tree = treeOfCommit(commit, stream, { reading: 'cfsctl' });
    assert.equal(
      Buffer.from(encodeDumpfile(tree)).toString('latin1'),
      Buffer.from(bytes).toString('latin1'),
    );
  });
}

interface PullCase {
  readonly case: string;
  readonly mode: string;
  readonly steps: readonly { readonly rc: number; readonly stdout: string }[];
}

const PULLS = JSON.parse(
  readFileSync(new URL('../golden/cfsctl/ostree/corrupt.json', import.meta.url), 'utf8'),
) as PullCase[];

for (const name of [
  '00-good',
  '02-payload-truncated',
  '34-ref-no-newline',
  '36-symlink-empty-target',
]) {
  test(`the stream and image of ${name} have the ids that cfsctl printed`, async () => {
    const { stdout = '' } =
      PULLS.find((one) => one.case === name && one.mode === 'local')?.steps[0] ?? {};
    const printed = (label: string): string | undefined =>
      new RegExp(`^${label} +([0-9a-f]{64})$`, 'm').exec(stdout)?.[1];
    const commit = parseOstreeChecksum(printed('commit') ?? '');
    const repository = readTarFolder('ostree/r-corrupt.tar.gz', `r-corrupt/${name}`);
    const built = buildStream(repository, commit, 'sha256').encode(commit);
    const bytes = await encodeCommitStream(built, { algorithm: 'sha256' });
    assert.equal(computeVerity(bytes, 'sha256'), printed('verity'));
    const stream = readCommitStream(openSplitstream(bytes, { algorithm: 'sha256' }));
    assert.equal(imageOf(treeOfCommit(commit, stream), 'sha256'), printed('image'));
  });
}
