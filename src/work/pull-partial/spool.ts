import { createTmpFile, type Dir, readAt, type TmpFile } from '#host';

const PIECE_BYTES = 2 ** 20;

/** Content that is being written; it cannot be found before it is committed. */
export interface SpoolWriting {
  write(bytes: Uint8Array): void;
  commit(): void;
}

/** Content that is needed again later in the same layer, by key, in an unnamed file. */
export class Spool implements Disposable {
  readonly #directory: Dir;
  readonly #places = new Map<string, { readonly offset: number; readonly sizeBytes: number }>();
  #file: TmpFile | undefined;
  #endOffset = 0;

  /** `directory`: a directory with enough space. The file is created on first use. */
  constructor(directory: Dir) {
    this.#directory = directory;
  }

  /** True when there is content under this key. */
  has(key: string): boolean {
    return this.#places.has(key);
  }

  /** Starts to write content; one at a time. @throws HostError SYSCALL_FAILED, NO_SPACE */
  begin(key: string): SpoolWriting {
    const file = this.#file ?? createTmpFile(this.#directory, 0o600);
    this.#file = file;
    const offset = this.#endOffset;
    return {
      write: (bytes) => {
        file.write(bytes);
        this.#endOffset += bytes.length;
      },
      commit: () => void this.#places.set(key, { offset, sizeBytes: this.#endOffset - offset }),
    };
  }

  /** The content under a key; undefined when the spool has none of this size. @throws HostError SYSCALL_FAILED */
  pieces(key: string, sizeBytes: number): Iterable<Uint8Array> | undefined {
    const place = this.#places.get(key);
    const file = this.#file;
    if (place?.sizeBytes !== sizeBytes || file === undefined) return undefined;
    return piecesAt(file, place.offset, sizeBytes);
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
    this.#places.clear();
  }
}

function* piecesAt(file: TmpFile, offset: number, sizeBytes: number): Generator<Uint8Array> {
  for (let at = 0; at < sizeBytes; ) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - at));
    const count = readAt(file, piece, offset + at);
    if (count === 0) return;
    yield piece.subarray(0, count);
    at += count;
  }
}
