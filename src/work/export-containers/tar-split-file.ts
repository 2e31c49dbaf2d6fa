import { createGzip } from 'node:zlib';
import type { DiffId, ObjectId } from '#base/digest';
import { drained } from '#base/flow';
import { Crc64Iso, TarSplitWriter } from '#formats/tar-split';
import { tryOpenCrc64Iso, writeAll } from '#host';
import type { Repository } from '#stores/composefs';
import { rebuildLayer } from '#work/export';

/** Lines are gathered up to this size before they are compressed, in bytes. */
const GATHER_BYTES = 1 << 18;
/** Level of podman's tar-splits. */
const GZIP_LEVEL = 1;

/** A layer whose tar-split is to be written. Plain data. */
export interface TarSplitOrder {
  readonly streamId: ObjectId;
  readonly diffId: DiffId;
  /** Open for writing in this process. */
  readonly fd: number;
}

/**
 * Writes the compressed tar-split of a stored layer into an open file. On the way the whole tar is put together and compared with its diff id.
 * Returns the size of the tar in bytes.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH; as `rebuildLayer`; HostError NO_SPACE
 */
export async function writeTarSplit(
  repository: Repository,
  { streamId, diffId, fd }: TarSplitOrder,
  isCancelled: () => boolean,
): Promise<number> {
  const gzip = createGzip({ level: GZIP_LEVEL });
  gzip.on('data', (piece: Uint8Array) => writeAll(fd, piece));
  const ended = new Promise<void>((resolve, reject) => gzip.on('end', resolve).on('error', reject));
  const writer = new TarSplitWriter(() => tryOpenCrc64Iso() ?? new Crc64Iso());
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let tarBytes = 0;
  const flush = async () => {
    const isRoomy = gzip.write(Buffer.concat(held));
    held = [];
    heldBytes = 0;
    if (!isRoomy) await drained(gzip);
  };
  for (const piece of rebuildLayer(repository, streamId, diffId)) {
    if (isCancelled()) break;
    tarBytes += piece.length;
    const lines = writer.push(piece);
    held.push(lines);
    heldBytes += lines.length;
    if (heldBytes >= GATHER_BYTES) await flush();
  }
  held.push(writer.end());
  await flush();
  gzip.end();
  await ended;
  return tarBytes;
}
