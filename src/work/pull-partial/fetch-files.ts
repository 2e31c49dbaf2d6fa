import { createContentHasher } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { ByteRange, RemoteBlob } from '#base/flow';
import type { ChunkedFile } from '#formats/chunked';
import { planFetch } from './fetch-ranges.ts';
import type { PlanTerms } from './plan.ts';
import { placed, RemoteChunks } from './remote-chunk.ts';
import { RemoteParts } from './remote-parts.ts';

const ZEROS = new Uint8Array(2 ** 18);

/** Files of a layer to fetch. */
export interface FetchFilesOptions {
  readonly blob: RemoteBlob;
  /** In the order of the tar, each once. */
  readonly files: readonly ChunkedFile[];
  readonly terms: Pick<PlanTerms, 'ability' | 'cost'>;
  /** Read the blob from its first byte to the last file: for a server whose responses to ranges are unusable. */
  readonly isWhole?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file and its content, which must be read before the next file is requested. */
export interface FetchedFile {
  readonly file: ChunkedFile;
  /** Each chunk is verified before it is passed on (a chunk of more than 8 MiB, meanwhile), the file at its end. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * Fetches the contents of some files of a layer by their ranges, and nothing else. If the server sends the whole blob instead, it is read up to
 * the last file.
 * @throws TransportError, RANGE_MISMATCH where ranges are of no use; while a content is read also IntegrityError CHUNK_CONTENT_MISMATCH, BLOB_DIGEST_MISMATCH
 */
export async function* fetchFiles(options: FetchFilesOptions): AsyncGenerator<FetchedFile> {
  const { blob, files, signal } = options;
  await using remote = new RemoteChunks(blob, await partsOf(options), signal);
  for (const file of files) yield { file, pieces: contentOf(file, remote) };
}

function rangesOf(files: readonly ChunkedFile[]): ByteRange[] {
  return files.flatMap(({ chunks }) =>
    chunks
      .filter(({ isZeros }) => !isZeros)
      .map(({ offset, lengthBytes: length }) => ({ offset, length })),
  );
}

async function partsOf(options: FetchFilesOptions): Promise<RemoteParts> {
  const { blob, files, terms, signal, isWhole } = options;
  const wanted = rangesOf(files);
  if (wanted.length === 0) return new RemoteParts({ async *[Symbol.asyncIterator]() {} });
  if (isWhole === true) return new RemoteParts(placed(blob.read({ signal })));
  const { ranges } = planFetch(wanted, terms.ability, terms.cost);
  const found = await blob.readRanges(ranges, { signal });
  return new RemoteParts(found.kind === 'ranges' ? found.pieces : placed(found.bytes));
}

async function* contentOf(
  { name, digest, chunks }: ChunkedFile,
  remote: RemoteChunks,
): AsyncGenerator<Uint8Array> {
  const hasher = createContentHasher();
  for (const chunk of chunks) {
    const pieces = chunk.isZeros ? zeros(chunk.sizeBytes) : remote.planned(chunk);
    for await (const piece of pieces) {
      hasher.update(piece);
      yield piece;
    }
  }
  const found = hasher.finish();
  if (found === digest) return;
  throw new IntegrityError(
    'BLOB_DIGEST_MISMATCH',
    `Cannot accept file ${JSON.stringify(name)}: expected digest ${digest}, found ${found}`,
    { expected: digest, found },
  );
}

function* zeros(sizeBytes: number): Generator<Uint8Array> {
  for (let left = sizeBytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}
