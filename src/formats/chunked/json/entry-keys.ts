/** Keys of an entry, in the order of writers. Source: containers-storage pkg/chunked/internal/compression.go, FileMetadata; estargz.md, "TOCEntry". */
export const ENTRY_KEYS = [
  'type',
  'name',
  'linkName',
  'mode',
  'size',
  'uid',
  'gid',
  'modtime',
  'accesstime',
  'changetime',
  'devMajor',
  'devMinor',
  'xattrs',
  'digest',
  'offset',
  'endOffset',
  'chunkSize',
  'chunkOffset',
  'chunkDigest',
  'chunkType',
  'innerOffset',
] as const;
/** A key of an entry that this library reads. */
export type TocKey = (typeof ENTRY_KEYS)[number];

/** The JSON object of one TOC entry. */
export type RawTocEntry = Readonly<Partial<Record<TocKey, unknown>>>;
