import type { ContentDigest } from '#base/digest';

/**
 * A stream of bytes that the consumer pulls, so back-pressure is built in. An error is thrown, and `finally` runs on an early exit. An
 * array of Uint8Array is a source, too. The producer may reuse a piece after the next one is requested: copy it to keep it.
 */
export type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Where the bytes of a local blob lie: `sizeBytes` bytes from `offsetBytes` of an open file. Plain data: the descriptor is valid in every
 * worker of this process until its owner disposes it. Use positional reads only, because the file offset is shared. The bytes are not
 * verified: the reader compares size and digest.
 */
export interface BlobRange {
  readonly fd: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** Where the bytes of a blob come from: a range of a local file, or a function that fetches them. */
export type BlobContent = BlobRange | Source;

/** A part of a blob, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of a blob and where they belong. `bytes` is valid until the next piece is requested. */
export interface BlobPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a server does with ranges of a blob. */
export type RangeAbility =
  /** Sends several as parts of one response. */
  | 'multi'
  /** Serves one range a request. */
  | 'single'
  /** Sends the whole blob, or an error. */
  | 'none';

/** What is known of the way to a blob; what is not known is left out. */
export interface BlobLink {
  readonly ability?: RangeAbility | undefined;
  /** Milliseconds until the first byte of a response. */
  readonly requestMs?: number | undefined;
  /** Bytes that arrive in a millisecond. */
  readonly bytesPerMs?: number | undefined;
}

/** What came of asking for ranges. Both kinds are iterated once; leaving the loop early gives the transfer up. */
export type BlobPieces =
  /**
   * The bytes of the ranges, each once, in the order in which the server sends them. From a server that turns to the whole blob in the
   * middle, all of it comes, from its first byte; bytes that came before may come again.
   */
  | { readonly kind: 'ranges'; readonly pieces: AsyncIterable<BlobPiece> }
  /** The server does not serve ranges and sends the whole blob instead, from its first byte. */
  | { readonly kind: 'whole'; readonly bytes: AsyncIterable<Uint8Array> };

/** What something over a network has cost so far. */
export interface Traffic {
  /** Requests that were sent, answered or not. */
  readonly requests: number;
  /** Bytes that came and were wanted. */
  readonly bodyBytes: number;
  /** Bytes that came and were thrown away. */
  readonly skippedBytes: number;
}

/** Options of a read. */
export interface BlobReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A blob that is fetched when it is read, completely or by ranges, any number of times. A broken transfer is resumed. The bytes are not
 * verified here: a reader of the complete blob compares size and digest (`verified`), a reader of ranges knows the digests of their
 * contents.
 */
export interface RemoteBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  /** What reading it has cost so far. */
  readonly traffic: Traffic;
  /** What is known now; undefined where nobody looks. */
  readonly link?: BlobLink | undefined;
  /** The bytes from `offset` (0 when omitted) to the end, in pieces. */
  read(options?: BlobReadOptions & { readonly offset?: number }): AsyncIterable<Uint8Array>;
  /**
   * Several ranges, in as few requests as the server allows.
   * @param ranges in ascending order, not empty, not overlapping, within the blob
   */
  readRanges(ranges: readonly ByteRange[], options?: BlobReadOptions): Promise<BlobPieces>;
  /** The bytes of a range were wrong: a blob that keeps received bytes fetches these again. */
  forget?(range: ByteRange): void;
}
