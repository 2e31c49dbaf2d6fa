import { createHasherLike, type DiffId, type ObjectId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { Reading } from '#formats/tree';
import { syncfs } from '#host';
import type { Repository } from '#stores/composefs';
import { layerStreamName } from '#work/image';
import { BatchPool } from './batches/batch-pool.ts';
import type { ImportContext, ImportedLayer } from './layer.ts';
import { LayerSplit } from './layer-split.ts';
import { type EntryListener, LayerStream } from './layer-stream.ts';
import { tooLarge } from './read-split-layer.ts';
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

/** A tar of a layer, and what it must be. */
export interface TarLayerOrder {
  readonly diffId: DiffId;
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly reading: Reading | undefined;
  readonly layerBytesMax?: number | undefined;
  readonly onEntry: EntryListener;
  readonly onAdvance?: ((tarBytes: number) => void) | undefined;
}

/**
 * Imports a plain tar as the layer with this diff id and names it.
 * @returns the layer's splitstream
 * @throws as `importTarLayer`, and then nothing has a name
 */
export async function importTar(
  repository: Repository,
  pieces: AsyncIterable<Uint8Array>,
  { diffId, reading, ref, signal }: TarOrder,
): Promise<ObjectId> {
  repository.ensureWritable();
  await using pool = new BatchPool(repository.objects.writerSeed(), { workers: 0, slots: SLOTS });
  const order = { diffId, pieces, reading, onEntry: () => undefined };
  const { id } = await importTarLayer({ repository, pool, signal }, order);
  syncfs(repository.root);
  repository.streams.register(layerStreamName(diffId), id, { ref });
  return id;
}

/**
 * Stores a plain tar as the layer with this diff id. It has no name yet and nothing is synced.
 * @throws IntegrityError DIFF_ID_MISMATCH; FormatError TAR_*, LAYER_TOO_LARGE; HostError NO_SPACE; what the pieces throw
 */
export async function importTarLayer(
  { repository, pool, signal }: ImportContext,
  order: TarLayerOrder,
): Promise<ImportedLayer & { readonly tarBytes: number }> {
  const { diffId, reading, onEntry, layerBytesMax = LAYER_BYTES_MAX } = order;
  using stream = new LayerStream({ pool, repository, onEntry });
  const split = new LayerSplit(stream, { pool, objects: repository.objects, reading });
  const hasher = createHasherLike(diffId);
  let tarBytes = 0;
  for await (const piece of order.pieces) {
    signal?.throwIfAborted();
    tarBytes += piece.length;
    if (tarBytes > layerBytesMax) throw tooLarge(diffId, layerBytesMax);
    hasher.update(piece);
    await split.push(piece);
    order.onAdvance?.(tarBytes);
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
  return { id, counts: stream.counts, blobId: undefined, tarBytes };
}
