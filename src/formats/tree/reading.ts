/**
 * How layers and commits are read into a tree. `standard` follows the specifications, as podman and Docker do; `cfsctl` follows
 * composefs-rs 0.9 also where it departs from the specifications, so that image ids are equal. Both accept input that composefs-rs
 * refuses if its meaning is unambiguous. The differences are listed in docs/compatibility.md.
 */
export type Reading = 'standard' | 'cfsctl';

/**
 * Differences between the two readings of a layer:
 *
 * - `size-without-data`: a link, directory, device or fifo states a size; composefs-rs skips that many bytes.
 * - `prefix`: the name continues in a prefix field that composefs-rs does not read.
 * - `old-directory`: a directory in the old format without a directory type, recognised by its trailing slash.
 * - `own-whiteout`: a whiteout or opaque mark applies to entries of its own layer; composefs-rs removes those too.
 */
export type ReadingDifference = 'size-without-data' | 'prefix' | 'old-directory' | 'own-whiteout';
