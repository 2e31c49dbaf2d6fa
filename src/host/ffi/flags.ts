import { constants } from 'node:fs';

/**
 * Flags for `openFile`. Values of `O_DIRECTORY`, `O_NOFOLLOW` and `O_TMPFILE` differ between x86-64 and arm64, so they come from Node.
 * O_CLOEXEC is always added. Source: Linux asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h.
 */
export const OPEN = {
  read: constants.O_RDONLY,
  write: constants.O_WRONLY,
  readWrite: constants.O_RDWR,
  create: constants.O_CREAT,
  exclusive: constants.O_EXCL,
  truncate: constants.O_TRUNC,
  append: constants.O_APPEND,
  noFollow: constants.O_NOFOLLOW,
  directory: constants.O_DIRECTORY,
  nonBlock: constants.O_NONBLOCK,
  /** O_PATH: a location in the tree, without access to the content. */
  path: 0x200000,
  cloexec: 0x80000,
  /** __O_TMPFILE | O_DIRECTORY: 0x410000 on x86-64, 0x404000 on arm64. */
  tmpfile: 0x400000 | constants.O_DIRECTORY,
} as const;

/** Flags of the `*at` calls (Linux fcntl.h). */
export const AT = {
  fdcwd: -100,
  symlinkNoFollow: 0x100,
  removeDir: 0x200,
  symlinkFollow: 0x400,
  emptyPath: 0x1000,
  recursive: 0x8000,
} as const;
