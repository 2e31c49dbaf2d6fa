import type { BlobContent, Source } from '#base/flow';
import { BlobReader } from '../blob.ts';
import { type LayerExpectation, type TarListener, unpackLayer } from './unpack-layer.ts';
import type { UnpackInput, UnpackThread } from './unpack-thread.ts';

/** Blobs of fewer bytes than this are read without threads: starting those would take longer. */
export const THREAD_BYTES_MIN = 512 << 10;

/** By what means a blob is unpacked, and who is told. */
export interface UnpackBlobOptions {
  /** Thread to unpack in; without one it is done in this thread. */
  readonly thread: UnpackThread | undefined;
  /** Takes the tar in pieces, which are overwritten afterwards. */
  readonly onTar: (piece: Uint8Array) => Promise<void> | void;
  readonly onAdvance: (readBytes: number) => void;
}

/** Unpacks the blob of a layer; blob digest and diff id are right when this resolves. @throws as `unpackLayer`; what `onTar` throws */
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

/** Passes a blob on until it ends or no more is wanted. */
async function pump(source: Source, write: TarListener): Promise<void> {
  for await (const piece of source) if (!(await write(piece))) return;
}
