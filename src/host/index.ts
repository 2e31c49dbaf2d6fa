/**
 * The kernel, as the rest of the project sees it: directories as capabilities, files without names, locks, extended attributes,
 * reflinks, fs-verity. The only room that calls the operating system for files; every call blocks and may run in any thread.
 *
 *     Dir ──┬─ openFile ── HostFile ── readAt, writeAll, fsync, flock, cloneFile, …
 *           ├─ tmpfile ─── TmpFile ─── write · seal · publish ─▶ a name, never replacing one
 *           └─ lstat, readEntries, symlink, rename, unlink, …
 *     UnixSocket ─ receive, send (bytes and descriptors, never waiting) ◀── Readiness ─ a thread that waits in the kernel for all
 *
 * Names are bytes (one per code unit). Failures are HostError SYSCALL_FAILED { errno, syscall, target } or NO_SPACE; what a caller
 * expects (nothing there, already there, cannot share extents) is a return value.
 */

export { type NativeCrc64Iso, tryOpenCrc64Iso } from './accelerate/crc64.ts';
export { Inflater, type InflateStep, tryOpenInflater } from './accelerate/inflate.ts';
export { type InodeGroups, readInodeGroups } from './accelerate/inode-groups.ts';
export {
  hashContent,
  openBlockHash,
  openVerityHasher,
  tryOpenLaneHash,
} from './accelerate/lanes.ts';
export { errnoName, failSyscall, hasErrno, hostError } from './ffi/errno.ts';
export { type SyscallObserver, setSyscallObserver } from './ffi/ffi.ts';
export { OPEN } from './ffi/flags.ts';
export { type Descriptor, displayPath, type Name, pathOf } from './ffi/name.ts';
export { Dir, type OpenDirOptions, resolvedPathOf } from './files/dir.ts';
export type { DirEntry, EntryVisitor } from './files/entries.ts';
export {
  closeFd,
  type FileTime,
  fchmod,
  fchown,
  fdatasync,
  fsync,
  futimens,
  HostFile,
  readAhead,
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
} from './files/file.ts';
export { isImmutable, setImmutable } from './files/inode-flags.ts';
export {
  flock,
  type LockMode,
  lockOfd,
  tryFlock,
  tryLockOfd,
  unlockFlock,
  unlockOfd,
} from './files/lock.ts';
export { createMemfd, sealMemfd } from './files/memfd.ts';
export { openFileAt, openOrCreateDir, splitPath } from './files/path.ts';
export { fsyncParent, type PublishOptions, publish } from './files/publish.ts';
export { randomName } from './files/random.ts';
export { removeTree } from './files/remove-tree.ts';
export {
  decodeDevice,
  encodeDevice,
  type FileStat,
  type FileType,
  statFd,
} from './files/stat.ts';
export { type FilesystemState, filesystemIdOf, readFilesystemState } from './files/statvfs.ts';
export { createTmpFile, linkUnnamed, type PublishOutcome, TmpFile } from './files/tmpfile.ts';
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
} from './files/verity.ts';
export {
  getXattr,
  listXattrs,
  readXattrs,
  removeXattr,
  setXattr,
  type XattrCondition,
  type Xattrs,
  type XattrTarget,
} from './files/xattr.ts';
export {
  closeFuseBacking,
  openFuseBacking,
  openFuseDevice,
  receiveFuseRequest,
  sendFuseReply,
} from './mounts/fuse.ts';
export {
  detachLoopDevice,
  type LoopDevice,
  type LoopOptions,
  openLoopDevice,
} from './mounts/loop.ts';
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
} from './mounts/mount.ts';
export {
  CAPABILITY_NAMES,
  type Capability,
  type CapabilityName,
  type CapabilityTable,
  isInitialUserNamespace,
  probeHost,
  probeReflinkBetween,
} from './probe.ts';
export { type ActivatedProgram, startActivated } from './processes/activated.ts';
export { BACKGROUND_FD, serveBackground, startBackground } from './processes/background.ts';
export { hasProcessCapability, type ProcessCapability } from './processes/capabilities.ts';
export { type HelperCall, type HelperOutcome, runHelper } from './processes/credential-helper.ts';
export { mountByHelper, unmountByHelper } from './processes/fusermount.ts';
export { continueInNamespace, findNamespaceHelper, outerUid } from './processes/user-namespace.ts';
export { type Deduped, dedupeRange } from './sharing/dedupe.ts';
export { type ExtentOutcome, ExtentReader, type ExtentVisitor } from './sharing/extent-reader.ts';
export { type Extent, isFullyShared, readExactExtents, readExtents } from './sharing/extents.ts';
export { EXTENT_FLAG } from './sharing/fiemap.ts';
export { cloneFile, cloneRange, copyBytes, copyRange, type FileRange } from './sharing/reflink.ts';
export { openPipe, type Pipe, tryRead, tryWrite } from './sockets/pipe.ts';
export { type Direction, openReadiness, type Readiness } from './sockets/readiness.ts';
export {
  type PeerCredentials,
  type Received,
  sendDatagram,
  UnixSocket,
} from './sockets/socket.ts';
export { type CarriedError, carryError, reviveError } from './threads/carried-error.ts';
export {
  createRing,
  RING_BYTES_MAX,
  RING_BYTES_MIN,
  type Ring,
  RingReader,
  RingWriter,
} from './threads/ring.ts';
export {
  serveWorker,
  setWorkerFolder,
  startWorker,
  threadNumber,
  type WorkerContext,
  type WorkerHandle,
  type WorkerOptions,
} from './threads/worker.ts';
