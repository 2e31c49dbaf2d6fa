import { UnsupportedError } from '#base/errors';
import type { OperationOptions, Source } from '#base/flow';
import { type BlobContent, BlobReader, sourceOf } from './blob.ts';
import { nameOf, type PlannedLayer } from './plan.ts';
import type { PullSource } from './source.ts';
import { type LayerExpectation, type TarListener, unpackLayer } from './unpack-layer.ts';
import { UnpackThread } from './unpack-thread.ts';

/** Blobs from this size on are unpacked in a thread: for smaller ones starting it takes longer. */
const THREAD_BYTES_MIN = 512 << 10;

/** How to read layers. */
export interface LayerReaderOptions extends OperationOptions {
  /** Largest unpacked layer, in bytes. */
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
   * Shows a layer's tar in pieces, which are overwritten afterwards. Blob digest and diff id are right when this resolves.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH, DIFF_ID_MISMATCH; FormatError LAYER_*; what `onTar` throws
   */
  async read(layer: PlannedLayer, onTar: (piece: Uint8Array) => void): Promise<void> {
    const { signal, onProgress, layerBytesMax } = this.#options;
    const { diffId, descriptor } = layer;
    if (diffId === undefined) throw noTar(layer);
    const { digest, sizeBytes } = descriptor;
    const expected = { digest, sizeBytes, diffId, layerBytesMax };
    const id = nameOf(layer);
    onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
    const content = await this.#source.openBlob(digest, sizeBytes);
    await this.#unpack(content, expected, (piece, done) => {
      signal?.throwIfAborted();
      onTar(piece);
      onProgress?.({ type: 'advanced', id, done, total: sizeBytes });
    });
    onProgress?.({ type: 'done', id, transferred: sizeBytes });
  }

  async #unpack(
    content: BlobContent,
    expected: LayerExpectation,
    onTar: (piece: Uint8Array, readBytes: number) => void,
  ): Promise<void> {
    if (expected.sizeBytes < THREAD_BYTES_MIN) {
      const blob = new BlobReader(content, expected);
      await unpackLayer(blob, expected, async (piece) => {
        onTar(piece, blob.sizeBytes);
        return true;
      });
      return;
    }
    this.#thread ??= new UnpackThread();
    const input =
      'fd' in content
        ? ({ kind: 'range', range: content } as const)
        : ({ kind: 'pump', pump: (write: TarListener) => pump(sourceOf(content), write) } as const);
    await this.#thread.unpack(input, expected, async (piece, readBytes) => onTar(piece, readBytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
  }
}

/** Passes a blob on until it ends or no more is wanted. */
export async function pump(source: Source, write: TarListener): Promise<void> {
  for await (const piece of source) if (!(await write(piece))) return;
}

function noTar({ descriptor }: PlannedLayer): UnsupportedError {
  return new UnsupportedError(
    'MEDIA_TYPE_UNSUPPORTED',
    `Cannot read layer ${descriptor.digest}: it belongs to an artifact, which has no files`,
    { mediaType: descriptor.mediaType.slice(0, 200), layer: descriptor.digest },
  );
}
