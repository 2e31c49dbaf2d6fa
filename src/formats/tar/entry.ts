import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { ReadingDifference } from '#formats/tree';

/** Type of a tar member. */
export type TarEntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'chr'
  | 'blk'
  | 'directory'
  | 'fifo'
  | 'unknown';

/** One run of data in a sparse file; bytes outside all runs are holes. */
export interface SparseRun {
  /** Offset of the run in the real file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Map from a sparse member to its file. */
export interface TarSparse {
  /** Size of the file with its holes. */
  readonly realSizeBytes: number;
  /** Runs in ascending order without overlap; their sizes add up to the data in the member. */
  readonly map: readonly SparseRun[];
  /** Bytes at the start of the member's payload that hold the map itself (PAX 1.0), 0 for the other forms. */
  readonly mapBytes: number;
}

/** One member of a tar, with its extension headers applied. */
export interface TarEntry {
  readonly type: TarEntryType;
  /** The type flag byte as found; identifies an `unknown` entry. */
  readonly typeFlag: number;
  /** Absolute, without `.`, doubled or trailing slashes; `/` is the root entry. */
  readonly path: ByteString;
  /** The path as `oci layer --dumpfile` prints it: absolute, without trailing slashes, other components unchanged. */
  readonly writtenPath: ByteString;
  /** Hard link: absolute normalised path of the other name. Symlink: the target as found. Others: empty. */
  readonly linkTarget: ByteString;
  /** Size of the payload in the tar, in bytes (for a sparse member the stored data, not the real size). 0 for types without data. */
  readonly sizeBytes: number;
  /** Permission bits, masked to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: bigint;
  /** 0 to 999,999,999; counts forward from `mtimeSec`, also before 1970. */
  readonly mtimeNsec: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
  readonly sparse: TarSparse | undefined;
  /** Why composefs-rs reads this member differently, set in both readings; the first reason when there are several. */
  readonly difference: ReadingDifference | undefined;
  /** Offset of the member's first header byte (extension headers included) from the start of the tar. */
  readonly offset: number;
}

/** Location of an entry's payload while a tar is split: small payloads inline, larger ones in an object. */
export type SplitContent =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly sizeBytes: number };

/** Location of a stored entry's payload. */
export type StoredContent =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly id: ObjectId; readonly sizeBytes: number };

/** A stored entry and its payload. */
export interface StoredTarEntry {
  readonly entry: TarEntry;
  readonly content: StoredContent;
}
