/** Size limit of `refs/heads/…`, in bytes: a checksum and white space. */
export const REF_ANSWER_MAX_BYTES = 4096;
/** Longest signature file (`summary.sig`, `.commitmeta`), in bytes. Source: OSTree spec 9.5 (commit metadata). */
export const SIGNATURES_MAX_BYTES = 16 * 1024 * 1024;
/** Size limit of a mirror list, in bytes, and largest number of mirrors that are used. */
export const MIRROR_LIST_MAX_BYTES = 1024 * 1024;
export const MIRRORS_MAX = 64;
/** Longest superblock with inline parts, and longest detached part, in bytes. Source: OSTree spec 9.5. */
export const SUPERBLOCK_MAX_BYTES = 256 * 1024 * 1024;
export const DELTA_PART_MAX_BYTES = 256 * 1024 * 1024;

/** Priorities of requests. Requests whose response leads to further requests come first. Source: OSTree spec 9.2. */
export const PRIORITY = { commit: 0, dirtree: 0, dirmeta: 1, delta: 2, file: 2 } as const;
