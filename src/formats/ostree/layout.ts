import {
  arrayOf,
  BYTE,
  BYTES,
  entryOf,
  STRING,
  tupleOf,
  UINT32,
  UINT64,
  VARIANT_DICT,
} from '#formats/gvariant';

/** Largest metadata object, in bytes. Source: libostree OSTREE_MAX_METADATA_SIZE; OSTree spec 2.4, 9.5. */
export const METADATA_MAX_BYTES = 128 * 1024 * 1024;
/** Largest content of one file object, in bytes: 1 TiB. Source: OSTree spec 9.5. */
export const FILE_MAX_BYTES = 2 ** 40;
/** Longest file name, in bytes. Source: Linux NAME_MAX; OSTree spec 2.4. */
export const NAME_MAX_BYTES = 255;
/** Most entries of one dirtree. Source: OSTree spec 9.5. */
export const DIRTREE_ENTRIES_MAX = 1_000_000;
/** Deepest directory of a commit. Source: OSTree spec 9.5. */
export const TREE_DEPTH_MAX = 1024;
/** Size of a checksum in a metadata object, in bytes. */
export const CHECKSUM_BYTES = 32;
/** Bytes before a file header: its length (u32, big-endian) and four zero bytes. Source: OSTree spec 2.5, 2.6. */
export const HEADER_PREFIX_BYTES = 8;

/** File type bits of a mode. Source: Linux uapi/linux/stat.h. */
export const S_IFMT = 0o170000;
/** Directory. */
export const S_IFDIR = 0o040000;
/** Regular file. */
export const S_IFREG = 0o100000;
/** Symbolic link. */
export const S_IFLNK = 0o120000;
/** The mode bits other than the file type. */
export const PERMISSION_BITS = 0o7777;

/** `a(ayay)`: extended attributes, names end in NUL. */
export const XATTRS_TYPE = arrayOf(tupleOf(BYTES, BYTES));
/** `(uuua(ayay))`: uid, gid, mode (all big-endian), xattrs. Also the xattr user.ostreemeta. Source: OSTree spec 2.3. */
export const DIRMETA_TYPE = tupleOf(UINT32, UINT32, UINT32, XATTRS_TYPE);
/** `(uuuusa(ayay))`: uid, gid, mode, rdev (all big-endian), link target, xattrs: the hashed header of a file. */
export const FILE_HEADER_TYPE = tupleOf(UINT32, UINT32, UINT32, UINT32, STRING, XATTRS_TYPE);
/** `(tuuuusa(ayay))`: content size (big-endian), then the file header: the stored header of an archive object. */
export const ZLIB_HEADER_TYPE = tupleOf(
  UINT64,
  UINT32,
  UINT32,
  UINT32,
  UINT32,
  STRING,
  XATTRS_TYPE,
);
/** `a(say)`: named checksums. */
export const NAMED_CHECKSUMS_TYPE = arrayOf(tupleOf(STRING, BYTES));
/** `(a{sv}aya(say)sstayay)`: metadata, parent, related, subject, body, time (big-endian), dirtree, dirmeta. */
export const COMMIT_TYPE = tupleOf(
  VARIANT_DICT,
  BYTES,
  NAMED_CHECKSUMS_TYPE,
  STRING,
  STRING,
  UINT64,
  BYTES,
  BYTES,
);
/** `(a(say)a(sayay))`: files (name, checksum), directories (name, dirtree, dirmeta). */
export const DIRTREE_TYPE = tupleOf(NAMED_CHECKSUMS_TYPE, arrayOf(tupleOf(STRING, BYTES, BYTES)));

const SUMMARY_REFS_TYPE = arrayOf(tupleOf(STRING, tupleOf(UINT64, BYTES, VARIANT_DICT)));
/** `(a(s(taya{sv}))a{sv})`: refs (name, (commit size little-endian, checksum, metadata)), metadata. */
export const SUMMARY_TYPE = tupleOf(SUMMARY_REFS_TYPE, VARIANT_DICT);
/** `a{sa(s(taya{sv}))}`: refs by collection id, value of `ostree.summary.collection-map`. */
export const COLLECTION_MAP_TYPE = arrayOf(entryOf(STRING, SUMMARY_REFS_TYPE));
/** `(a{s(ayaaya{sv})}a{sv})`: subset → (current subsummary, older ones, metadata), metadata. Source: OSTree spec 2.11. */
export const SUMMARY_INDEX_TYPE = tupleOf(
  arrayOf(entryOf(STRING, tupleOf(BYTES, arrayOf(BYTES), VARIANT_DICT))),
  VARIANT_DICT,
);

/**
 * `(a{sv}tayay(COMMIT)aya(uayttay)a(yaytt))`: metadata, time (big-endian), from, to, target commit, recursion, parts
 * (version, sum, size, unpacked size, objects), fallbacks (type, checksum, size, unpacked size). Source: OSTree spec 2.15.
 */
export const SUPERBLOCK_TYPE = tupleOf(
  VARIANT_DICT,
  UINT64,
  BYTES,
  BYTES,
  COMMIT_TYPE,
  BYTES,
  arrayOf(tupleOf(UINT32, BYTES, UINT64, UINT64, BYTES)),
  arrayOf(tupleOf(BYTE, BYTES, UINT64, UINT64)),
);
/** `(a(uuu)aa(ayay)ayay)`: modes (uid, gid, mode, big-endian), xattr lists, payload, operations. */
export const DELTA_PART_TYPE = tupleOf(
  arrayOf(tupleOf(UINT32, UINT32, UINT32)),
  arrayOf(XATTRS_TYPE),
  BYTES,
  BYTES,
);
/** `(yay)`: compression and bytes of a part inside the superblock. */
export const INLINE_PART_TYPE = tupleOf(BYTE, BYTES);
/** `(taya{sv})`: magic (big-endian), superblock, signatures. */
export const SIGNED_DELTA_TYPE = tupleOf(UINT64, BYTES, VARIANT_DICT);
/** `OSTSGNDT` as the big-endian number that opens a signed delta. Source: OSTree spec 1.4, 2.15. */
export const SIGNED_DELTA_MAGIC = 0x4f535453474e4454n;
