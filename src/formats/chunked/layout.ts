/**
 * Annotations of a layer descriptor. Source: containers-storage pkg/chunked/internal/compression.go;
 * containerd stargz-snapshotter docs/estargz.md.
 */
export const CHUNKED_ANNOTATION = {
  /** Digest of the compressed TOC. */
  tocDigest: 'io.github.containers.zstd-chunked.manifest-checksum',
  /** `offset:length:inflatedLength:type`. */
  tocPosition: 'io.github.containers.zstd-chunked.manifest-position',
  /** `offset:length:inflatedLength`. */
  tarSplitPosition: 'io.github.containers.zstd-chunked.tarsplit-position',
  /** Written by early writers; never trusted. */
  tarSplitDigest: 'io.github.containers.zstd-chunked.tarsplit-checksum',
  /** Digest of the uncompressed TOC of an eStargz layer. */
  stargzTocDigest: 'containerd.io/snapshot/stargz/toc.digest',
  /** Size of the tar of an eStargz layer. */
  stargzSize: 'io.containers.estargz.uncompressed-size',
} as const;

/** The only type of a TOC. */
export const TOC_TYPE = 1;
/** The only version of a TOC. */
export const TOC_VERSION = 1;

/** Longest TOC, uncompressed. Podman ignores a longer one. Source: containers-storage, maxTocSize. */
export const TOC_BYTES_MAX = 150 * 2 ** 20;
/** Longest tar-split, uncompressed: four times the longest TOC. It is never held in memory as a whole. */
export const TAR_SPLIT_BYTES_MAX = 4 * TOC_BYTES_MAX;
/** Longest compressed TOC or tar-split; both are held in memory. Real ones compress to a quarter or less. */
export const METADATA_BYTES_MAX = 48 * 2 ** 20;
/** Most entries of a TOC, chunks included. */
export const TOC_ENTRIES_MAX = 250_000;
/** Memory of an entry, and of one extended attribute, besides its texts, in bytes. */
export const TOC_ENTRY_HELD_BYTES = 400;
export const TOC_XATTR_HELD_BYTES = 120;
/** Most extended attributes of an entry. */
export const TOC_XATTRS_MAX = 10_000;
/** Most memory of a TOC, in bytes; a layer with a larger TOC is pulled as a whole blob. */
export const TOC_HELD_BYTES_MAX = 128 * 2 ** 20;
/** Longest entry of a TOC: a PAX header of 1 MiB of extended attributes in base64, and names. */
export const TOC_ENTRY_BYTES_MAX = 2 * 2 ** 20;

/** Payload of the skippable frame at the end: seven 64-bit numbers and the magic. */
export const FOOTER_BYTES = 64;
/** The footer of writers before the tar-split: four numbers and the magic. */
export const OLD_FOOTER_BYTES = 40;
/** Magic at the end of a zstd:chunked blob. Source: containers-storage, ZstdChunkedFrameMagic. */
export const FOOTER_MAGIC = 'GNUlInUx';

/** Length of the eStargz footer, and of the footer of its forerunner stargz. Source: estargz.md, "Footer". */
export const STARGZ_FOOTER_BYTES = 51;
export const OLD_STARGZ_FOOTER_BYTES = 47;
/** Name of the TOC in an eStargz tar. */
export const STARGZ_TOC_NAME = 'stargz.index.json';
