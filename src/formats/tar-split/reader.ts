import { LINE_BYTES_MAX } from './layout.ts';
import { failTarSplit, parseTarSplitRecord, type TarSplitRecord } from './record.ts';

const NEWLINE = 0x0a;

/**
 * Reads a tar-split (uncompressed: lines of JSON) from pieces of any size. Sans-I/O; holds one line, at most 8 MiB.
 * Source: vbatts/tar-split 0.11, tar/storage/packer.go.
 */
export class TarSplitReader {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Offset of the current line in the tar-split. */
  #offset = 0;

  /** Parses the next bytes and yields the records that they complete. @throws FormatError TAR_SPLIT_INVALID */
  *push(piece: Uint8Array): Generator<TarSplitRecord> {
    let at = 0;
    for (;;) {
      const end = piece.indexOf(NEWLINE, at);
      const upTo = end < 0 ? piece.length : end;
      if (this.#heldBytes + upTo - at > LINE_BYTES_MAX) {
        failTarSplit(
          'record',
          this.#offset,
          `expected at most ${LINE_BYTES_MAX} bytes, found more`,
        );
      }
      if (end < 0) {
        // A copy: the piece belongs to the caller.
        if (at < upTo) this.#held.push(piece.slice(at));
        this.#heldBytes += upTo - at;
        return;
      }
      yield* this.#line(piece.subarray(at, end));
      at = end + 1;
    }
  }

  /** Ends the tar-split. A last line without newline is accepted. @throws FormatError TAR_SPLIT_INVALID */
  *end(): Generator<TarSplitRecord> {
    yield* this.#line(new Uint8Array(0));
  }

  *#line(tail: Uint8Array): Generator<TarSplitRecord> {
    const line = this.#heldBytes === 0 ? tail : Buffer.concat([...this.#held, tail]);
    const offset = this.#offset;
    this.#offset += line.length + 1;
    this.#held = [];
    this.#heldBytes = 0;
    if (line.length > 0) yield parseTarSplitRecord(line, offset);
  }
}
