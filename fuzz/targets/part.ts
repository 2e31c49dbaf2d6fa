// Invariant: any operations end, commit only objects with the checksum listed, leave no file open, or end in one of our errors.
import assert from 'node:assert/strict';
import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { readerOf } from '#base/flow';
import {
  applyDeltaPart,
  computeMetadataChecksum,
  type DeltaObject,
  type DeltaPart,
  type DeltaTarget,
  FileHasher,
  parseDeltaPart,
} from '#formats/ostree';

/** Name of the target and of its folder of inputs. */
export const name = 'part';

/** Content of every source object. */
const SOURCE = new Uint8Array(1000).map((_, at) => at % 256);
/** Operations may copy this much before the run is cut short. */
const WRITTEN_MAX_BYTES = 4 * 1024 * 1024;
const KINDS = ['file', 'dirtree', 'dirmeta', 'commit'] as const;
const UNKNOWN = '00'.repeat(32) as OstreeChecksum;

class TooMuch extends Error {}

/**
 * Input: number of objects (one byte), their kinds (one byte each), then the unpacked part. The checksums of the
 * objects are learned from the mismatches, so that damage behind the first object is reached too.
 */
export function run(bytes: Uint8Array): void {
  const count = Math.min(bytes[0] ?? 0, 16);
  const objects: DeltaObject[] = [...bytes.subarray(1, 1 + count)].map((kind) => ({
    kind: KINDS[kind % KINDS.length] ?? 'file',
    checksum: UNKNOWN,
  }));
  const part = partOf(bytes.subarray(1 + count));
  if (part === undefined) return;
  for (let attempt = 0; attempt <= objects.length; attempt++) {
    const found = attemptPart(part, objects);
    if (found === undefined) return;
    const at = objects.findIndex(({ checksum }) => checksum === UNKNOWN);
    if (at < 0) return;
    objects[at] = { kind: objects[at]?.kind ?? 'file', checksum: found };
  }
}

function partOf(data: Uint8Array): DeltaPart | undefined {
  const checksum = computeMetadataChecksum(Buffer.concat([Uint8Array.of(0), data]));
  try {
    return parseDeltaPart({ compression: 0, data }, { ...INFO, checksum });
  } catch (error) {
    if (isOnecopyError(error)) return undefined;
    throw error;
  }
}

const INFO = {
  index: 0,
  version: 0,
  checksum: UNKNOWN,
  sizeBytes: 0n,
  unpackedBytes: 0n,
  objects: [],
};

/** Runs the operations; gives the checksum that a mismatch reported. */
function attemptPart(part: DeltaPart, objects: readonly DeltaObject[]): OstreeChecksum | undefined {
  let openFiles = 0;
  let written = 0;
  const target: DeltaTarget = {
    openSource: () => readerOf(SOURCE),
    beginFile: (checksum, header) => {
      openFiles++;
      const hasher = new FileHasher(header);
      return {
        write: (piece) => {
          written += piece.length;
          if (written > WRITTEN_MAX_BYTES) throw new TooMuch();
          hasher.update(piece);
        },
        commit: () => {
          openFiles--;
          assert.equal(hasher.finish(), checksum);
        },
        discard: () => {
          openFiles--;
        },
      };
    },
    putMetadata: (_kind, checksum, data) => {
      assert.equal(computeMetadataChecksum(data), checksum);
    },
  };
  try {
    applyDeltaPart(part, { ...INFO, objects }, target);
  } catch (error) {
    if (!isOnecopyError(error) && !(error instanceof TooMuch)) throw error;
    if (hasCode(error, 'OSTREE_CHECKSUM_MISMATCH'))
      return String(error.details['found']) as OstreeChecksum;
  } finally {
    assert.equal(openFiles, 0);
  }
  return undefined;
}
