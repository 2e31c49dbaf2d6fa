import assert from 'node:assert';
import type { OperationOptions } from '#base/flow';
import { readSplitLayer, THREAD_BYTES_MIN, UnpackThread, unpackBlob } from '#work/ingest';
import { nameOf, type PlannedLayer } from './plan.ts';
import { contentOf } from './resume.ts';
import type { PullSource } from './source.ts';

/** How to read layers. */
export interface LayerReaderOptions extends OperationOptions {
  /** Largest layer after decompression, in bytes. */
  readonly layerBytesMax?: number | undefined;
}

/** Reads the tars of layers at their source, one after the other, without storing anything. */
export class LayerReader implements AsyncDisposable {
  readonly #source: PullSource;
  readonly #options: LayerReaderOptions;
  #thread: UnpackThread | undefined;

  constructor(source: PullSource, options: LayerReaderOptions = {}) {
    this.#source = source;
    this.#options = options;
  }

  /**
   * Reads the tar of a layer in pieces, which are overwritten afterwards. Blob digest and diff id are verified when this resolves.
   * @param begun a download of the blob that has begun, from its first byte
   * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH, DIFF_ID_MISMATCH; FormatError LAYER_*; what `onTar` throws
   */
  async read(
    layer: PlannedLayer,
    onTar: (piece: Uint8Array) => void,
    begun?: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { signal, onProgress, layerBytesMax } = this.#options;
    const { diffId, descriptor } = layer;
    assert(diffId !== undefined, 'a layer without a diff id is no tar');
    const { digest, sizeBytes } = descriptor;
    const id = nameOf(layer);
    const split = this.#source.openLayer?.(layer.position);
    if (split !== undefined) {
      using opened = split;
      await readSplitLayer(opened, diffId, { signal, layerBytesMax, onTar });
      return;
    }
    const expected = { digest, sizeBytes, diffId, layerBytesMax };
    onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
    const content = begun ?? contentOf(await this.#source.openBlob(digest, sizeBytes), { signal });
    await unpackBlob(content, expected, {
      thread: sizeBytes < THREAD_BYTES_MIN ? undefined : this.#startThread(),
      onTar(piece) {
        signal?.throwIfAborted();
        onTar(piece);
      },
      onAdvance: (done) => onProgress?.({ type: 'advanced', id, done, total: sizeBytes }),
    });
    onProgress?.({ type: 'done', id, transferred: sizeBytes });
  }

  #startThread(): UnpackThread {
    this.#thread ??= new UnpackThread();
    return this.#thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
  }
}
