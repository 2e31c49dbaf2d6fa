import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeContentDigest, type DiffId } from '#base/digest';
import { BlobReader } from '../blob.ts';
import { unpackLayer } from './unpack-layer.ts';

const TAR = Buffer.alloc(2048, 'layer');
const DIGEST = computeContentDigest(TAR);

function unpackWith(digest: string, isWanted: boolean): Promise<boolean> {
  const expected = {
    digest: DIGEST,
    sizeBytes: TAR.length,
    diffId: digest as DiffId,
    layerBytesMax: undefined,
  };
  const blob = new BlobReader([TAR.subarray(0, 1024), TAR.subarray(1024)], expected);
  return unpackLayer(blob, expected, async () => isWanted);
}

test('a layer is verified only after its listener took all bytes', async () => {
  assert.equal(await unpackWith(DIGEST, true), true);
  assert.equal(await unpackWith(DIGEST, false), false);
  const wrong = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(unpackWith(wrong, true), { code: 'DIFF_ID_MISMATCH' });
});
