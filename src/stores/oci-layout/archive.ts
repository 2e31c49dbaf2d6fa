import { tmpdir } from 'node:os';
import { createGunzip } from 'node:zlib';
import { FormatError, isOnecopyError, NotFoundError } from '#base/errors';
import { type BlobRange, drained, type OperationOptions, type RandomReader } from '#base/flow';
import { COMPRESSION_PROBE_BYTES, type Compression, detectCompression } from '#formats/oci';
import { type ArchiveIndex, readArchiveIndex } from '#formats/tar';
import { inflateZstd } from '#formats/zstd';
import {
  type Descriptor,
  Dir,
  type HostFile,
  hasErrno,
  OPEN,
  readAt,
  readPieces,
  statFd,
  type TmpFile,
} from '#host';
import type { FileSet } from './files.ts';
import { SPOOL_MAX_BYTES } from './layout.ts';

/** Bytes that a decompressor gives at a time. */
const CHUNK_BYTES = 1 << 20;

/** Options for decompressing an archive. */
export interface SpoolOptions extends OperationOptions {
  /** Directory for the unnamed temporary file; the system's when absent. */
  readonly temporaryDirectory?: string;
  /** Largest size after decompression, in bytes. */
  readonly spoolLimitBytes?: number;
}

/** The members of a tar archive, read in place. */
export class ArchiveFiles implements FileSet {
  readonly label: string;
  readonly #file: HostFile | TmpFile;
  readonly #index: ArchiveIndex;

  constructor(label: string, file: HostFile | TmpFile, index: ArchiveIndex) {
    this.label = label;
    this.#file = file;
    this.#index = index;
  }

  find(name: string): BlobRange | undefined {
    const found = this.#index.find(name);
    if (found === undefined) return undefined;
    const { offsetBytes, sizeBytes } = found;
    return { fd: this.#file.fd, offsetBytes, sizeBytes };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/**
 * Opens a tar archive. An archive compressed with gzip or zstd is decompressed once into an unnamed temporary file, which is freed when the
 * set is disposed.
 * @throws NotFoundError IMAGE_SOURCE_NOT_FOUND; FormatError ARCHIVE_INVALID, ARCHIVE_TOO_LARGE; UnsupportedError
 * COMPRESSION_UNSUPPORTED
 */
export async function openArchive(path: string, options: SpoolOptions = {}): Promise<ArchiveFiles> {
  const packed = openFile(path);
  let file: HostFile | TmpFile = packed;
  try {
    const head = new Uint8Array(COMPRESSION_PROBE_BYTES);
    const length = readAt(packed, head, 0);
    const compression = detectCompression(head.subarray(0, length), {
      what: `image archive "${path}"`,
      hint: 'Decompress the archive with xz -dk or bunzip2 -k, and use the .tar file',
    });
    if (compression !== 'none') {
      file = await unpack(packed, compression, options);
      packed[Symbol.dispose]();
    }
    return new ArchiveFiles(path, file, readMembers(path, file));
  } catch (error) {
    file[Symbol.dispose]();
    packed[Symbol.dispose]();
    throw error;
  }
}

function openFile(path: string): HostFile {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  using directory = openParent(path, path.slice(0, slash + 1) || '.');
  const file = directory.tryOpenFile(
    Buffer.from(name, 'utf8').toString('latin1'),
    OPEN.read | OPEN.nonBlock,
  );
  if (file === undefined) throw notFound(path, 'nothing');
  const { type } = statFd(file);
  if (type === 'file') return file;
  file[Symbol.dispose]();
  throw notFound(path, `a ${type}`);
}

function openParent(path: string, parent: string): Dir {
  try {
    return Dir.open(parent);
  } catch (cause) {
    if (hasErrno(cause, 'ENOENT') || hasErrno(cause, 'ENOTDIR')) throw notFound(path, 'nothing');
    throw cause;
  }
}

function notFound(path: string, found: string): NotFoundError {
  return new NotFoundError(
    'IMAGE_SOURCE_NOT_FOUND',
    `Cannot open image archive "${path}": expected a file, found ${found}`,
    { path },
    found === 'a directory' ? { hint: 'Use oci: or dir: for a directory' } : {},
  );
}

async function unpack(
  packed: HostFile,
  compression: Exclude<Compression, 'none'>,
  options: SpoolOptions,
): Promise<TmpFile> {
  const limit = options.spoolLimitBytes ?? SPOOL_MAX_BYTES;
  using directory = Dir.open(options.temporaryDirectory ?? tmpdir());
  const spool = directory.tmpfile(0o600);
  let sizeBytes = 0;
  try {
    const pieces =
      compression === 'gzip'
        ? gunzipped(packed)
        : inflateZstd(readPieces(packed), { chunkSize: CHUNK_BYTES });
    for await (const piece of pieces) {
      options.signal?.throwIfAborted();
      sizeBytes += piece.length;
      if (sizeBytes > limit) throw tooLarge(packed.label, limit);
      spool.write(piece);
    }
    return spool;
  } catch (error) {
    spool[Symbol.dispose]();
    if (!isZlibError(error)) throw error;
    throw new FormatError(
      'ARCHIVE_INVALID',
      `Cannot unpack image archive "${packed.label}": expected ${compression} data, found damage after ${sizeBytes} bytes`,
      { offset: sizeBytes, what: 'image archive' },
      { cause: error },
    );
  }
}

async function* gunzipped(packed: HostFile): AsyncGenerator<Uint8Array> {
  const stream = createGunzip({ chunkSize: CHUNK_BYTES });
  const feeding = (async () => {
    for (const piece of readPieces(packed)) {
      if (stream.destroyed) return;
      // A copy: the stream keeps the piece until it is processed, and the reader reuses its buffer.
      const isRoomy = stream.write(Uint8Array.prototype.slice.call(piece));
      if (!isRoomy) await drained(stream);
    }
    stream.end();
  })();
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
    await feeding;
  }
}

function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    typeof code === 'string' &&
    /^(Z_|ZSTD_|ERR_ZLIB|ERR_TRAILING_JUNK|ERR_BUFFER|ERR_STREAM_PREMATURE)/.test(code)
  );
}

function tooLarge(label: string, limit: number): FormatError {
  return new FormatError(
    'ARCHIVE_TOO_LARGE',
    `Cannot unpack image archive "${label}": expected at most ${limit} bytes, found more`,
    { offset: limit, what: 'image archive', expected: limit, found: limit + 1 },
  );
}

function readMembers(label: string, file: Descriptor): ArchiveIndex {
  try {
    return readArchiveIndex(readerOf(file));
  } catch (cause) {
    if (!isOnecopyError(cause) || cause.kind !== 'format') throw cause;
    const { offset = 0 } = cause.details as { readonly offset?: number };
    throw new FormatError(
      'ARCHIVE_INVALID',
      `Cannot read image archive "${label}": expected a tar, found damage at ${offset}`,
      { offset, what: 'image archive' },
      { cause },
    );
  }
}

/** Positional reads of an open file. */
function readerOf(file: Descriptor): RandomReader {
  return { sizeBytes: statFd(file).sizeBytes, read: (offset, into) => readAt(file, into, offset) };
}
