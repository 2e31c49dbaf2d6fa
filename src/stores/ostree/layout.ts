/** Directories of a repository, as `ostree init` creates them. Source: OSTree spec 2.1. */
export const DIRECTORIES = [
  'objects',
  'tmp',
  'extensions',
  'state',
  'refs',
  'refs/heads',
  'refs/mirrors',
  'refs/remotes',
] as const;
/** The settings of a repository. */
export const CONFIG = 'config';
/** Locked shared by writers, exclusively by prune (OFD lock on the whole file). Source: OSTree spec 2.1. */
export const LOCK_FILE = '.lock';
export const LOCK_FILE_MODE = 0o640;
/** Default of `core.lock-timeout-secs`. */
export const LOCK_TIMEOUT_SEC = 300;
/** Longest chain of `core.parent` repositories. */
export const PARENTS_MAX = 8;

/** Permission bits of directories, and of metadata and archive objects. */
export const DIRECTORY_MODE = 0o755;
export const OBJECT_MODE = 0o644;
/** A bare-user content file: these bits of its mode, and readable by its owner. Source: OSTree spec 2.7. */
export const BARE_USER_MODE_BITS = 0o775;
export const BARE_USER_MODE_FORCED = 0o400;
/** A link of a bare-user repository is a regular file with these bits. */
export const BARE_USER_LINK_MODE = 0o644;
/** The mode bits that a file in a bare-user-only repository may have. Source: OSTree spec 2.7. */
export const BARE_USER_ONLY_MODE_BITS = 0o775;
/** Where a bare-user repository keeps owner, mode and xattrs of a file. */
export const OSTREEMETA_XATTR = 'user.ostreemeta';
/** Longest link target that is read from a file, in bytes (Linux PATH_MAX, and a NUL). */
export const LINK_TARGET_MAX_BYTES = 65_536;

/**
 * Prefix of staging directories of onecopy below `tmp`. It is not `staging-`, because libostree would reuse such a directory. libostree
 * removes others by age (`core.tmp-expiry-secs`).
 */
export const STAGING_PREFIX = 'onecopy-staging-';
/** Content of a partial marker of fsck; the marker of a pull is empty. Source: OSTree spec 2.12. */
export const PARTIAL_BY_FSCK = 'f';
