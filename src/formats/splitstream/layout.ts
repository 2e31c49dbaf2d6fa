/** Magic of every splitstream. Source: composefs-rs 0.9 splitstream header (core formats section 3.1). */
export const MAGIC = 'SplitStream';

/** Offsets in the header of 32 bytes; all integers of the format are little-endian. */
export interface HeaderLayout {
  readonly magic: number;
  readonly version: number;
  readonly flags: number;
  readonly algorithm: number;
  readonly blockBits: number;
  readonly infoStart: number;
  readonly infoEnd: number;
}

/** The header as written. Source: composefs-rs 0.9 splitstream header. */
export const HEADER: HeaderLayout = {
  magic: 0,
  version: 11,
  flags: 12,
  algorithm: 14,
  blockBits: 15,
  infoStart: 16,
  infoEnd: 24,
};

/** The header of files that bootc up to 1.15 wrote: the same fields, reordered by its compiler. Read, never written. */
export const OLD_HEADER: HeaderLayout = {
  infoStart: 0,
  infoEnd: 8,
  flags: 16,
  magic: 18,
  version: 29,
  algorithm: 30,
  blockBits: 31,
};

/** Bytes in either header. */
export const HEADER_BYTES = 32;

/** Version byte; the only version that exists. */
export const VERSION = 0;

/** Offsets in the info section; each range is a start and an end offset in the file, 8 bytes each. */
export const INFO = {
  streamRefs: 0,
  objectRefs: 16,
  body: 32,
  namedRefs: 48,
  contentType: 64,
  sizeBytes: 72,
} as const;

/** Bytes in the info section as written; readers accept a longer one and ignore the rest. */
export const INFO_BYTES = 80;

/** Bytes of the value before every chunk: negative for inline bytes, otherwise an index into the object refs. */
export const CHUNK_HEADER_BYTES = 8;

/** Most padding bytes that may follow an external payload in an exact read. Source: composefs-rs 0.9 read_exact. */
export const PADDING_BYTES_MAX = 512;

/** Most refs in one table that a reader accepts: 4 million objects, a table of 256 MiB at most. Our limit; upstream has none. */
export const REFS_MAX = 2 ** 22;

/** Most chunks in a body; bounds the time a small hostile frame can cost. Our limit; upstream has none. */
export const CHUNKS_MAX = 2 ** 26;

/** Longest named-ref table after decompression. Our limit; upstream has none. */
export const NAMED_REFS_BYTES_MAX = 64 * 2 ** 20;

/** Longest run of inline bytes a writer buffers, because the length is written before the run. Our limit; upstream has none. */
export const INLINE_RUN_BYTES_MAX = 2 ** 32;

/** Content types: eight ASCII bytes read as a little-endian number (OCI), or constants (OSTree). Source: composefs-rs 0.9. */
export const CONTENT_TYPES = {
  ociLayer: asciiType('ocilayer'),
  ociConfig: asciiType('ociconfg'),
  ociManifest: asciiType('ocimanif'),
  ociBlob: asciiType('oci_blob'),
  ociIndex: asciiType('ociindx\0'),
  ostreeSummary: 0x7972616d6d75736fn,
  ostreeCommit: 0xafe138c18c463ef1n,
} as const;

function asciiType(text: string): bigint {
  return Buffer.from(text, 'latin1').readBigUInt64LE();
}
