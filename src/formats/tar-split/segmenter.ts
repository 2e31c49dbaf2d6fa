import { concatBytes, roundUp } from '#base/bytes';
import { FormatError } from '#base/errors';
import {
  parseTarMemberHeader,
  readTarBlockHead,
  TAR_BLOCK_BYTES,
  type TarMemberHeader,
} from '#formats/tar';
import { TRAILER_SEGMENT_BYTES } from './layout.ts';

/** Receives the parts of a tar in order. Use or copy `bytes` before returning. */
export interface TarSegmentSink {
  /** Padding of the previous file, then all headers of a member; or a part of the data after the last member. */
  segment(bytes: Uint8Array): void;
  /** A member starts; its content follows, if any. */
  member(header: TarMemberHeader): void;
  /** Content of the member. */
  content(bytes: Uint8Array): void;
  /** The content is complete; called for every member. */
  memberEnd(): void;
}

/** The structure the segmenter expects next. */
type State = 'block' | 'extension' | 'content' | 'trailer';

/**
 * Splits a tar into the parts of a tar-split: for each member one segment of headers, then its content; after the last member
 * more segments. The boundaries depend only on the tar, not on the division of the input: padding and two zero blocks are one
 * segment, the rest is split every 1 MiB. Sans-I/O; holds the headers of one member (at most about 3 MiB).
 * Source: tar-split 0.11; spec of zstd:chunked 1.5 for the trailer that readers accept.
 */
export class TarSegmenter {
  #state: State = 'block';
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Held bytes before the first header: padding. */
  #paddingLeft = 0;
  #padding = 0;
  /** Bytes still missing from a block, an extension payload, or content. */
  #left = TAR_BLOCK_BYTES;
  /** Bytes of the tar read so far. */
  #offset = 0;
  #payloadBytes = 0;
  #isTrailerZero = true;

  /** False when bytes other than zero follow the archive. */
  get isTrailerZero(): boolean {
    return this.#isTrailerZero;
  }

  /** Bytes of the tar read so far; after a failure, excluding the bytes that were not parsed. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes read but not yet passed to the sink. */
  get held(): Uint8Array {
    return this.#joined();
  }

  /** Parses the next bytes of the tar. @throws FormatError TAR_* */
  push(piece: Uint8Array, sink: TarSegmentSink): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#state === 'content') {
        const bytes = piece.subarray(at, at + this.#left);
        sink.content(bytes);
        at += bytes.length;
        this.#offset += bytes.length;
        this.#left -= bytes.length;
        if (this.#left === 0) this.#endContent(sink);
      } else {
        const wanted = this.#paddingLeft > 0 ? this.#paddingLeft : this.#left;
        const bytes = piece.slice(at, at + wanted);
        at += bytes.length;
        this.#take(bytes, sink);
      }
    }
  }

  /** Ends the tar; the padding of the last member may be missing. @throws FormatError TAR_TRUNCATED */
  end(sink: TarSegmentSink): void {
    const isComplete = this.#heldBytes <= this.#padding;
    if (this.#state !== 'trailer' && !(this.#state === 'block' && isComplete)) {
      throw new FormatError(
        'TAR_TRUNCATED',
        `Cannot read tar: ${this.#state} at ${this.#offset}: expected more bytes, found the end`,
        { offset: this.#offset, what: this.#state, reason: 'expected more bytes, found the end' },
      );
    }
    this.#flush(sink);
  }

  #take(bytes: Uint8Array, sink: TarSegmentSink): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#offset += bytes.length;
    if (this.#state === 'trailer') {
      this.#takeTrailer(bytes, sink);
      return;
    }
    if (this.#paddingLeft > 0) {
      this.#paddingLeft -= bytes.length;
      return;
    }
    this.#left -= bytes.length;
    if (this.#left > 0) return;
    if (this.#state === 'extension') this.#await('block', TAR_BLOCK_BYTES);
    else this.#takeBlock(sink);
  }

  #takeBlock(sink: TarSegmentSink): void {
    const held = this.#joined();
    const block = held.subarray(held.length - TAR_BLOCK_BYTES);
    const head = readTarBlockHead(block, this.#offset - TAR_BLOCK_BYTES);
    if (head !== undefined && head.extensionBytes > 0) {
      this.#await('extension', head.extensionBytes);
      return;
    }
    const start = this.#offset - held.length + this.#padding;
    const isOnlyBlock = held.length === this.#padding + TAR_BLOCK_BYTES;
    if (head === undefined && isOnlyBlock) {
      this.#await('trailer', TAR_BLOCK_BYTES);
      return;
    }
    const header = parseTarMemberHeader(held.subarray(this.#padding), start);
    if (header === undefined) return;
    this.#flush(sink);
    sink.member(header);
    this.#payloadBytes = header.payloadBytes;
    this.#left = header.payloadBytes;
    this.#state = 'content';
    if (this.#left === 0) this.#endContent(sink);
  }

  #takeTrailer(bytes: Uint8Array, sink: TarSegmentSink): void {
    this.#isTrailerZero &&= bytes.every((byte) => byte === 0);
    this.#left -= bytes.length;
    if (this.#left > 0) return;
    this.#flush(sink);
    this.#left = TRAILER_SEGMENT_BYTES;
  }

  #endContent(sink: TarSegmentSink): void {
    sink.memberEnd();
    this.#padding = roundUp(this.#payloadBytes, TAR_BLOCK_BYTES) - this.#payloadBytes;
    this.#paddingLeft = this.#padding;
    this.#await('block', TAR_BLOCK_BYTES);
  }

  #await(state: State, bytes: number): void {
    this.#state = state;
    this.#left = bytes;
  }

  #joined(): Uint8Array {
    if (this.#held.length > 1) this.#held = [concatBytes(this.#held)];
    return this.#held[0] ?? new Uint8Array(0);
  }

  #flush(sink: TarSegmentSink): void {
    if (this.#heldBytes > 0) sink.segment(this.#joined());
    this.#held = [];
    this.#heldBytes = 0;
    this.#padding = 0;
  }
}
