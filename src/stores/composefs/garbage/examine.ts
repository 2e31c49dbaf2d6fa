import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { ALGORITHMS, objectIdOf, type VerityAlgorithm } from '#formats/fsverity';
import type { SplitstreamTables } from '#formats/splitstream';
import { tryMeasureVerity } from '#host';
import type { ObjectStore, OpenObject } from '../objects/objects.ts';
import { hashFile } from '../objects/verity.ts';

/** Offset of the tables of a splitstream: after header and info. Source: core formats section 3.2. */
const TABLES_START = 112;
/** Magic of a zstd frame. Source: RFC 8878 section 3.1.1. */
const ZSTD_MAGIC = Buffer.from('28b52ffd', 'hex');
/** Offset and magic of an EROFS superblock. Source: Linux erofs_fs.h. */
const EROFS = { offset: 1024, magic: Buffer.from('e2e1f5e0', 'hex') } as const;

/** The parts of a repository needed here; declared separately because its own members are internal to the library. */
interface ObjectsOfAlgorithm {
  readonly algorithm: VerityAlgorithm;
  readonly objects: Pick<ObjectStore, 'has'>;
}

/** The type of an object by its first bytes. */
export function kindOf(object: OpenObject): 'stream' | 'image' | 'other' {
  const head = Buffer.alloc(32);
  object.read(0, head);
  const isStream = (at: number) => head.toString('latin1', at, at + 11) === 'SplitStream';
  if (isStream(0) || isStream(18)) return 'stream';
  const magic = Buffer.alloc(4);
  object.read(EROFS.offset, magic);
  return magic.equals(EROFS.magic) ? 'image' : 'other';
}

/** True if the content of an object matches its id. */
export function isIntact(
  { algorithm }: Pick<ObjectsOfAlgorithm, 'algorithm'>,
  object: OpenObject,
  id: ObjectId,
): boolean {
  try {
    return (tryMeasureVerity(object, algorithm) ?? hashFile(object, algorithm)) === id;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind !== 'integrity') throw error;
    return false;
  }
}

/**
 * True if the tables of a damaged stream are provably complete: every writer appends the zstd frame of the names to the tables, so a table
 * with fewer or more entries would not end at a frame; and an entry with a flipped bit would refer to a missing object.
 */
export function hasWholeTables(
  { algorithm, objects }: ObjectsOfAlgorithm,
  object: OpenObject,
  stream: SplitstreamTables,
): boolean {
  const { digestBytes } = ALGORITHMS[algorithm];
  const frame = Buffer.alloc(ZSTD_MAGIC.length);
  const count = stream.streamRefs.length + stream.objectCount;
  object.read(TABLES_START + count * digestBytes, frame);
  if (!frame.equals(ZSTD_MAGIC) || !stream.streamRefs.every((id) => objects.has(id))) return false;
  for (const piece of stream.objectDigestPieces()) {
    for (let at = 0; at < piece.length; at += digestBytes) {
      if (!objects.has(objectIdOf(piece.subarray(at, at + digestBytes)))) return false;
    }
  }
  return true;
}
