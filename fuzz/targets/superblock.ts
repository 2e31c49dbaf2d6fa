// Invariant: any bytes give a superblock whose commit has the checksum it names, or one of our errors.
import assert from 'node:assert/strict';
import { isOnecopyError } from '#base/errors';
import {
  computeMetadataChecksum,
  inlineCommitmetaOf,
  inlinePartOf,
  parseDelta,
  parseDeltaPart,
  type Superblock,
} from '#formats/ostree';

/** Name of the target and of its folder of inputs. */
export const name = 'superblock';

/** Parses the bytes as a delta and unpacks the parts inside it. */
export function run(bytes: Uint8Array): void {
  guarded(() => {
    const { superblock, superblockBytes } = parseDelta(bytes);
    assert.equal(computeMetadataChecksum(superblock.commitBytes), superblock.to);
    assert.ok(superblockBytes.length <= bytes.length);
    inlineCommitmetaOf(superblock);
    for (const info of superblock.parts) unpack(superblock, info.index);
  });
}

function unpack(superblock: Superblock, index: number): void {
  const info = superblock.parts[index];
  const part = inlinePartOf(superblock, index);
  if (info === undefined || part === undefined) return;
  guarded(() => parseDeltaPart(part, info));
  // The checksum hides the unpacker from damage, so the part is given once more with the checksum it has.
  const file = Buffer.concat([Uint8Array.of(part.compression), part.data]);
  guarded(() => parseDeltaPart(part, { ...info, checksum: computeMetadataChecksum(file) }));
}

function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}
