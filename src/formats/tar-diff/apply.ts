import { constants, createZstdDecompress } from 'node:zlib';
import { inflateZstd, walkZstdFrames } from '#formats/zstd';
import {
  ADD_BYTES_MAX,
  FRAME_BYTES_MAX,
  MAGIC,
  MAGIC_BYTES,
  OPERATION,
  PATH_BYTES_MAX,
  WINDOW_LOG_MAX,
} from './layout.ts';
import { invalidDiff, PieceReader } from './pieces.ts';

/** An open file of the old tree. */
export interface OldFile extends Disposable {
  readonly sizeBytes: number;
  /** Reads at an offset; returns the number of bytes read. */
  read(offset: number, into: Uint8Array): number;
}

/** The old tree. */
export interface OldFiles {
  /** Opens a regular file by its path below the root, without a leading slash. @throws an error when there is no such regular file */
  open(path: string): OldFile;
}

/** Size of one read of an old file, in bytes. */
const READ_BYTES = 128 << 10;

/**
 * Applies a tar-diff to an old tree: yields the new tar in pieces, each overwritten by the next one. Nothing is verified: compare the
 * digest of the tar with the expected one. Memory: twice `FRAME_BYTES_MAX` for the frames of version 2, else a few pieces.
 * @throws FormatError LAYER_DIFF_INVALID; Error of zlib; errors of `files`
 */
export async function* applyTarDiff(
  diff: AsyncIterable<Uint8Array>,
  files: OldFiles,
): AsyncGenerator<Uint8Array> {
  const raw = new PieceReader(diff);
  const magic = Buffer.from(await raw.bytes(MAGIC_BYTES, 'magic')).toString('latin1');
  const version = MAGIC.get(magic);
  if (version === undefined) throw invalidDiff(0, 'magic', `expected tardf1 or tardf2`);
  const reader = new PieceReader(inflateZstd(rest(raw)));
  using old = new OldPosition(files);
  for (let code = await reader.byte(); code !== undefined; code = await reader.byte()) {
    yield* applyOne(code === OPERATION.frame && version === 1 ? -1 : code, reader, old);
  }
}

async function* rest(raw: PieceReader): AsyncGenerator<Uint8Array> {
  for (let piece = await raw.piece(); piece !== undefined; piece = await raw.piece()) yield piece;
}

async function* applyOne(
  code: number,
  reader: PieceReader,
  old: OldPosition,
): AsyncGenerator<Uint8Array> {
  const { offset } = reader;
  const count = await reader.number(`operation ${code}`);
  const limit = (what: string, max: number) => {
    if (count > max)
      throw invalidDiff(offset, what, `expected at most ${max} bytes, found ${count}`);
  };
  switch (code) {
    case OPERATION.data:
      yield* reader.take(count, 'data');
      return;
    case OPERATION.open:
      limit('path', PATH_BYTES_MAX);
      old.open(pathOf(await reader.bytes(count, 'path'), offset));
      return;
    case OPERATION.copy:
      yield* old.copy(count, offset);
      return;
    case OPERATION.addData:
      limit('added data', ADD_BYTES_MAX);
      for await (const piece of reader.take(count, 'added data')) yield old.add(piece, offset);
      return;
    case OPERATION.seek:
      old.seek(count, offset);
      return;
    case OPERATION.frame:
      limit('frame', FRAME_BYTES_MAX);
      yield* inflateBehind(await reader.bytes(count, 'frame'), old.whole(offset), offset);
      return;
    default:
      throw invalidDiff(offset, 'operation', 'expected one of this version');
  }
}

/** Inflates the first frame with `before` as its dictionary; ignores bytes after the frame. */
async function* inflateBehind(
  bytes: Uint8Array,
  before: Uint8Array,
  offset: number,
): AsyncGenerator<Uint8Array> {
  const first = walkZstdFrames(bytes).next();
  if (first.done === true || first.value.kind === 'skip')
    throw invalidDiff(offset, 'frame', 'expected a zstd frame');
  const { offset: start, lengthBytes } = first.value;
  const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
  const stream = createZstdDecompress({ dictionary: before, params });
  stream.end(bytes.subarray(start, start + lengthBytes));
  yield* stream;
}

/** @throws FormatError LAYER_DIFF_INVALID for a path that is not UTF-8, is empty, or contains `.` or `..` */
function pathOf(bytes: Uint8Array, offset: number): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidDiff(offset, 'path', 'expected UTF-8');
  }
  const path = text.replace(/^\/+/, '');
  if (path === '' || path.split('/').some((name) => name === '.' || name === '..'))
    throw invalidDiff(offset, 'path', `"${text}" names no file below the root`);
  return path;
}

/** The open file of the old tree, and the read position in it. */
class OldPosition implements Disposable {
  readonly #files: OldFiles;
  #file: OldFile | undefined;
  #at = 0;
  readonly #buffer = new Uint8Array(READ_BYTES);

  constructor(files: OldFiles) {
    this.#files = files;
  }

  open(path: string): void {
    this[Symbol.dispose]();
    this.#file = this.#files.open(path);
    this.#at = 0;
  }

  seek(offset: number, at: number): void {
    this.#require(at);
    this.#at = offset;
  }

  *copy(count: number, at: number): Generator<Uint8Array> {
    for (let left = count; left > 0; ) {
      const piece = this.#buffer.subarray(0, Math.min(left, READ_BYTES));
      this.#fill(piece, at);
      left -= piece.length;
      yield piece;
    }
  }

  /** Adds each byte to the byte of the file at the read position. */
  add(bytes: Uint8Array, at: number): Uint8Array {
    const sum = new Uint8Array(bytes.length);
    this.#fill(sum, at);
    for (let index = 0; index < sum.length; index += 1) {
      sum[index] = (sum[index] as number) + (bytes[index] as number);
    }
    return sum;
  }

  /** The whole file. */
  whole(at: number): Uint8Array {
    const { sizeBytes } = this.#require(at);
    if (sizeBytes > FRAME_BYTES_MAX)
      throw invalidDiff(at, 'frame', `the old file has more than ${FRAME_BYTES_MAX} bytes`);
    const bytes = new Uint8Array(sizeBytes);
    this.#at = 0;
    this.#fill(bytes, at);
    return bytes;
  }

  #fill(into: Uint8Array, at: number): void {
    const file = this.#require(at);
    for (let done = 0; done < into.length; ) {
      const count = file.read(this.#at, into.subarray(done));
      if (count === 0) {
        const reason = `expected ${into.length} bytes at ${this.#at}, found ${done}`;
        throw invalidDiff(at, 'old file', reason);
      }
      done += count;
      this.#at += count;
    }
  }

  #require(at: number): OldFile {
    if (this.#file === undefined) throw invalidDiff(at, 'old file', 'none is open');
    return this.#file;
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }
}
