import type { BlobContent, Source } from '#base/flow';
import { BlobReader } from '../blob.ts';
import { type LayerExpectation, type TarListener, unpackLayer } from './unpack-layer.ts';
import type { UnpackInput, UnpackThread } from './unpack-thread.ts';

/** Blobs smaller than this are read without threads, because starting threads takes longer, in bytes. */
export const THREAD_BYTES_MIN = 512 << 10;

/** Options for decompressing a blob. */
export interface UnpackBlobOptions {
  /** Thread for decompression (default: this thread). */
  readonly thread: UnpackThread | undefined;
  /** Receives the tar in pieces, which are overwritten afterwards. */
  readonly onTar: (piece: Uint8Array) => Promise<void> | void;
  readonly onAdvance: (readBytes: number) => void;
}

/**
 * Decompresses the blob of a layer. Blob digest and diff id are verified when this resolves. @throws as `unpackLayer`; errors of `onTar`
 */
export async function unpackBlob(
  content: BlobContent,
  expected: LayerExpectation,
  { thread, onTar, onAdvance }: UnpackBlobOptions,
): Promise<void> {
  if (thread === undefined) {
    const blob = new BlobReader(content, expected, onAdvance);
    await unpackLayer(blob, expected, async (piece) => {
      await onTar(piece);
      return true;
    });
    return;
  }
  const input: UnpackInput =
    'fd' in content
      ? { kind: 'range', range: content }
      : { kind: 'pump', pump: (write) => pump(content, write) };
  await thread.unpack(input, expected, async (piece, readBytes) => {
    await onTar(piece);
    onAdvance(readBytes);
  });
}

/** Passes on a blob until it ends or the consumer stops. */
async function pump(source: Source, write: TarListener): Promise<void> {
  for await (const piece of source) if (!(await write(piece))) return;
}
