/**
 * Whose reading of layers and commits decides a tree. `standard` follows the specifications, as podman and Docker do; `cfsctl` follows
 * composefs-rs 0.9 also where it departs from them, so that image ids equal its own. What composefs-rs refuses and has one clear meaning
 * is accepted in both. The differences are listed in docs/compatibility.md.
 */
export type Reading = 'standard' | 'cfsctl';

/**
 * Where the two readings of a layer part:
 *
 * - `size-without-data`: a link, directory, device or fifo states a size; composefs-rs skips that many bytes.
 * - `prefix`: the name continues in a prefix field that composefs-rs does not look at.
 * - `old-directory`: a directory of the time before there was a type for it, known by the slash at its end.
 * - `own-whiteout`: a whiteout or opaque mark names what its own layer brought; composefs-rs removes that too.
 */
export type ReadingDifference = 'size-without-data' | 'prefix' | 'old-directory' | 'own-whiteout';
