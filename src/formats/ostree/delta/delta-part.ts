import { createHash } from 'node:crypto';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, UnsupportedError } from '#base/errors';
import { parseVariant } from '#formats/gvariant';
import { decodeXz } from '#formats/xz';
import { DELTA_PART_TYPE } from '../layout.ts';
import { requireChecksum } from '../objects/objects.ts';
import { swap32 } from '../objects/swap.ts';
import { type OstreeXattr, xattrsOf } from '../objects/xattrs.ts';
import {
  DELTA_PART_MAX_BYTES,
  DELTA_PART_UNPACKED_MAX_BYTES,
  type DeltaPartBytes,
  type DeltaPartInfo,
  requirePartVersion,
} from './delta.ts';

/** First byte of a part: the rest is not compressed. */
const COMPRESSION_NONE = 0x00;
/** First byte of a part: the rest is an xz file. */
const COMPRESSION_XZ = 0x78;

/** Owner and mode of a produced file. */
export interface DeltaMode {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** An unpacked and verified part: tables, data, and the operations that produce objects from them. */
export interface DeltaPart {
  readonly modes: readonly DeltaMode[];
  readonly xattrs: readonly (readonly OstreeXattr[])[];
  readonly payload: Uint8Array;
  readonly operations: Uint8Array;
}

/**
 * Verifies a part against its checksum in the superblock (inline parts too, which libostree does not) and unpacks it.
 * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH; UnsupportedError OSTREE_DELTA_UNSUPPORTED;
 * FormatError OSTREE_DELTA_TOO_LARGE, GVARIANT_NOT_NORMAL, OSTREE_XATTR_INVALID; errors of decodeXz
 */
export function parseDeltaPart(bytes: DeltaPartBytes, info: DeltaPartInfo): DeltaPart {
  requirePartVersion(info);
  const sizeBytes = bytes.data.length + 1;
  if (sizeBytes > DELTA_PART_MAX_BYTES) tooLarge(sizeBytes);
  const found = createHash('sha256')
    .update(Uint8Array.of(bytes.compression))
    .update(bytes.data)
    .digest('hex') as OstreeChecksum;
  requireChecksum(found, info.checksum, `delta part ${info.index}`);
  const [modes, xattrs, payload, operations] = parseVariant(unpack(bytes), DELTA_PART_TYPE, {
    what: 'delta part',
  });
  return {
    modes: modes.map(([uid, gid, mode]) => ({
      uid: swap32(uid),
      gid: swap32(gid),
      mode: swap32(mode),
    })),
    xattrs: xattrs.map((list) => xattrsOf(list, 'delta part')),
    payload,
    operations,
  };
}

function unpack({ compression, data }: DeltaPartBytes): Uint8Array {
  if (compression === COMPRESSION_NONE) return data;
  if (compression === COMPRESSION_XZ) {
    return decodeXz(data, { outputMaxBytes: DELTA_PART_UNPACKED_MAX_BYTES });
  }
  throw new UnsupportedError(
    'OSTREE_DELTA_UNSUPPORTED',
    `Cannot unpack delta part: expected compression 0 or 120, found ${compression}`,
    { what: 'compression', found: compression },
  );
}

function tooLarge(found: number): never {
  throw new FormatError(
    'OSTREE_DELTA_TOO_LARGE',
    `Cannot read delta part: expected at most ${DELTA_PART_MAX_BYTES} bytes, found ${found}`,
    { offset: 0, what: 'delta part', expected: DELTA_PART_MAX_BYTES, found },
  );
}
