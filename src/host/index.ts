/**
 * The kernel, as the rest of the project sees it: directories as capabilities, files without names, locks, extended attributes,
 * reflinks, fs-verity. The only room that calls the operating system for files; every call blocks and may run in any thread.
 *
 *     Dir ──┬─ openFile ── HostFile ── readAt, writeAll, fsync, flock, cloneFile, …
 *           ├─ tmpfile ─── TmpFile ─── write · seal · publish ─▶ a name, never replacing one
 *           └─ lstat, readEntries, symlink, rename, unlink, …
 *
 * Names are bytes (one per code unit). Failures are HostError SYSCALL_FAILED { errno, syscall, target } or NO_SPACE; what a caller
 * expects (nothing there, already there, cannot share extents) is a return value.
 */

export { type CarriedError, carryError, reviveError } from './carried-error.ts';
export { Dir, type OpenDirOptions } from './dir.ts';
export type { DirEntry, EntryVisitor } from './entries.ts';
export { errnoName, failSyscall, hasErrno, hostError } from './errno.ts';
export { type Extent, isFullyShared, readExtents } from './extents.ts';
export { type SyscallObserver, setSyscallObserver } from './ffi.ts';
export {
  closeFd,
  type FileTime,
  fchmod,
  fchown,
  fdatasync,
  fsync,
  futimens,
  HostFile,
  readAll,
  readAt,
  readPieces,
  readSome,
  reopen,
  syncfs,
  syncfsAsync,
  truncate,
  writeAll,
  writeAt,
} from './file.ts';
export { OPEN } from './flags.ts';
export { Inflater, type InflateStep, tryOpenInflater } from './inflate.ts';
export { isImmutable, setImmutable } from './inode-flags.ts';
export { type InodeGroups, readInodeGroups } from './inode-groups.ts';
export { hashContent, openBlockHash, openVerityHasher, tryOpenLaneHash } from './lanes.ts';
export {
  flock,
  type LockMode,
  lockOfd,
  tryFlock,
  tryLockOfd,
  unlockFlock,
  unlockOfd,
} from './lock.ts';
export { detachLoopDevice, type LoopDevice, type LoopOptions, openLoopDevice } from './loop.ts';
export {
  attachMount,
  attachMountOver,
  cloneMount,
  type MountAttributes,
  MountContext,
  openBeneath,
  type SymlinkRule,
  setMountAttributes,
  type UnmountOptions,
  unmount,
} from './mount.ts';
export { type Descriptor, displayPath, type Name, pathOf } from './name.ts';
export {
  CAPABILITY_NAMES,
  type Capability,
  type CapabilityName,
  type CapabilityTable,
  probeHost,
  probeReflinkBetween,
} from './probe.ts';
export { fsyncParent, type PublishOptions, publish } from './publish.ts';
export { randomName } from './random.ts';
export { cloneFile, cloneRange, copyRange, type FileRange } from './reflink.ts';
export {
  createRing,
  RING_BYTES_MAX,
  RING_BYTES_MIN,
  type Ring,
  RingReader,
  RingWriter,
} from './ring.ts';
export {
  CHANGE_STAMP_BYTES,
  decodeDevice,
  encodeDevice,
  type FileStat,
  type FileType,
  statFd,
  timeOfChange,
} from './stat.ts';
export { type FilesystemState, readFilesystemState } from './statvfs.ts';
export { createTmpFile, linkUnnamed, type PublishOutcome, TmpFile } from './tmpfile.ts';
export {
  type EnableOrCopyResult,
  type EnableOutcome,
  enableVerity,
  enableVerityOrCopy,
  enableVerityWithRetry,
  errorOfOutcome,
  hasVerity,
  measureVerity,
  measureVerityOr,
  probeVerity,
  tryEnableVerity,
  tryMeasureVerity,
  verifyVerity,
} from './verity.ts';
export {
  serveWorker,
  startWorker,
  threadNumber,
  type WorkerContext,
  type WorkerHandle,
  type WorkerOptions,
} from './worker.ts';
export {
  getXattr,
  listXattrs,
  readXattrs,
  removeXattr,
  setXattr,
  type XattrCondition,
  type Xattrs,
  type XattrTarget,
} from './xattr.ts';
