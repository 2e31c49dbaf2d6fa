import { createHasherLike, type DiffId, type ObjectId } from '#base/digest';
import { FormatError, IntegrityError } from '#base/errors';
import type { Reading } from '#formats/tree';
import { syncfs } from '#host';
import type { Repository } from '#stores/composefs';
import { layerStreamName } from '#work/image';
import { BatchPool } from './batches/batch-pool.ts';
import { LayerSplit } from './layer-split.ts';
import { LayerStream } from './layer-stream.ts';
import { LAYER_BYTES_MAX } from './unpack/unpack.ts';

/** Batches in memory at once, when this thread does all work. */
const SLOTS = 10;

/** A tar that comes by itself, and the layer that it is to be. */
export interface TarOrder {
  readonly diffId: DiffId;
  readonly reading: Reading;
  /** Reference below `streams/refs` to give the layer. */
  readonly ref?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Imports a plain tar as the layer with this diff id and names it.
 * @returns the layer's splitstream
 * @throws IntegrityError DIFF_ID_MISMATCH, and then nothing has a name; FormatError TAR_*, LAYER_TOO_LARGE; HostError NO_SPACE
 */
export async function importTar(
  repository: Repository,
  pieces: AsyncIterable<Uint8Array>,
  { diffId, reading, ref, signal }: TarOrder,
): Promise<ObjectId> {
  repository.ensureWritable();
  await using pool = new BatchPool(repository.objects.writerSeed(), { workers: 0, slots: SLOTS });
  using stream = new LayerStream({ pool, repository, onEntry: () => undefined });
  const split = new LayerSplit(stream, { pool, objects: repository.objects, reading });
  const hasher = createHasherLike(diffId);
  let sizeBytes = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    sizeBytes += piece.length;
    requireSize(sizeBytes, diffId);
    hasher.update(piece);
    await split.push(piece);
  }
  split.end();
  const id = await stream.publish();
  const found: string = hasher.finish();
  if (found !== diffId) {
    throw new IntegrityError(
      'DIFF_ID_MISMATCH',
      `Cannot import layer ${diffId}: the tar is ${found}`,
      { expected: diffId, found },
    );
  }
  syncfs(repository.root);
  repository.streams.register(layerStreamName(diffId), id, { ref });
  return id;
}

function requireSize(sizeBytes: number, diffId: DiffId): void {
  if (sizeBytes <= LAYER_BYTES_MAX) return;
  const what = `layer ${diffId}`;
  throw new FormatError(
    'LAYER_TOO_LARGE',
    `Cannot import ${what}: expected at most ${LAYER_BYTES_MAX} bytes, found more`,
    { offset: LAYER_BYTES_MAX, what, limit: LAYER_BYTES_MAX },
  );
}
