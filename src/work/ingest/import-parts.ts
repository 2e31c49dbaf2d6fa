import type { ContentDigest, ObjectId } from '#base/digest';
import type { Reading } from '#formats/tree';
import { explainLayer, type ImportContext, type ImportedLayer } from './layer.ts';
import { LayerSplit } from './layer-split.ts';
import { type EntryListener, LayerStream } from './layer-stream.ts';

/** A part of a tar that is put together elsewhere. */
export type TarPart =
  /** Bytes, which are overwritten afterwards. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** The content of a file that is an object of the repository, and its bytes where they are wanted all the same. */
  | {
      readonly kind: 'object';
      readonly id: ObjectId;
      readonly sizeBytes: number;
      readonly pieces: () => Iterable<Uint8Array>;
    };

/** A layer to import from parts. */
export interface PartsOrder {
  readonly digest: ContentDigest;
  /** Some at a time. Verified by their producer: the iteration throws if the tar is not the layer. */
  readonly parts: AsyncIterable<readonly TarPart[]>;
  readonly onEntry: EntryListener;
  readonly reading: Reading | undefined;
}

/**
 * Imports one tar layer that comes in parts: objects that are here are named and not written, everything else goes the way of every layer.
 * @throws what the parts throw, FormatError TAR_*; HostError NO_SPACE; all with the layer as their context
 */
export async function importParts(
  context: ImportContext,
  { digest, parts, onEntry, reading }: PartsOrder,
): Promise<ImportedLayer> {
  const { repository, pool, signal } = context;
  try {
    using stream = new LayerStream({ pool, repository, onEntry });
    const split = new LayerSplit(stream, { pool, objects: repository.objects, reading });
    for await (const some of parts) {
      signal?.throwIfAborted();
      for (const part of some) {
        const waiting = part.kind === 'bytes' ? split.push(part.bytes) : place(split, part);
        if (waiting !== undefined) await waiting;
      }
    }
    split.end();
    return { id: await stream.publish(), counts: stream.counts, blobId: undefined };
  } catch (error) {
    throw explainLayer(error, digest, signal);
  }
}

function place(
  split: LayerSplit,
  part: Extract<TarPart, { kind: 'object' }>,
): Promise<void> | undefined {
  return split.place(part.id, part.sizeBytes) ? split.drained() : pushAll(split, part.pieces());
}

async function pushAll(split: LayerSplit, pieces: Iterable<Uint8Array>): Promise<void> {
  for (const piece of pieces) await split.push(piece);
}
