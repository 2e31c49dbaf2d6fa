import { createHasherLike, type DiffId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { readPieces } from '#host';
import { explainLayer } from './layer.ts';
import type { SplitLayer, SplitPart } from './split-layer.ts';
import { LAYER_BYTES_MAX } from './unpack/unpack.ts';
import { verifyDiffId } from './unpack/unpack-layer.ts';

/** How a layer is read. */
export interface SplitReadOptions extends Pick<OperationOptions, 'signal'> {
  readonly layerBytesMax?: number | undefined;
  /** Receives the tar in pieces, which are overwritten afterwards. */
  readonly onTar: (piece: Uint8Array) => void;
}

/**
 * Shows the tar of a layer that is structure and files, without storing anything. The diff id is right when this resolves.
 * @throws IntegrityError DIFF_ID_MISMATCH, TAR_SPLIT_CONTENT_MISMATCH; FormatError TAR_SPLIT_INVALID, LAYER_TOO_LARGE; what `onTar` and the
 *   layer's `explain` throw
 */
export async function readSplitLayer(
  layer: SplitLayer,
  diffId: DiffId,
  { signal, layerBytesMax = LAYER_BYTES_MAX, onTar }: SplitReadOptions,
): Promise<void> {
  const hasher = createHasherLike(diffId);
  let tarBytes = 0;
  try {
    for await (const parts of layer.parts()) {
      signal?.throwIfAborted();
      for (const piece of piecesOf(layer, parts)) {
        tarBytes += piece.length;
        if (tarBytes > layerBytesMax) throw tooLarge(diffId, layerBytesMax);
        hasher.update(piece);
        onTar(piece);
      }
    }
    verifyDiffId(diffId, hasher.finish());
  } catch (error) {
    throw explainLayer(layer.explain(error), diffId, signal);
  }
}

function* piecesOf(layer: SplitLayer, parts: Iterable<SplitPart>): Generator<Uint8Array> {
  for (const part of parts) {
    if (part.kind !== 'file') {
      yield part.bytes;
      continue;
    }
    using file = layer.open(part);
    yield* readPieces(file);
  }
}

/** The error for a layer whose tar is larger than allowed. */
export function tooLarge(diffId: DiffId, limit: number): FormatError {
  return new FormatError(
    'LAYER_TOO_LARGE',
    `Cannot read layer ${diffId}: expected at most ${limit} bytes, found more`,
    { offset: limit, what: `layer ${diffId}`, limit },
  );
}
