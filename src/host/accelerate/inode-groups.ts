import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

/** Magic numbers of statfs(2) (Linux magic.h). */
const XFS = 0x58465342n;
const EXT4 = 0xef53n;
/** ioctl number (Linux xfs_fs.h): _IOR('X', 100, struct xfs_fsop_geom_v1). */
const XFS_IOC_FSGEOMETRY_V1 = 0x80705864;
/** Offsets in that structure, 32 bits each. */
const GEOMETRY = { blockBytes: 0, groupBlocks: 8, groups: 12, inodeBytes: 24 } as const;
/** Inodes of a group with the defaults of mke2fs: 32,768 blocks, and an inode for every 16 KiB. */
const EXT4_GROUP_INODES = 8192;

/**
 * The groups of inodes of a filesystem. On XFS, threads that create or remove files in the same group wait for each other: two threads take
 * two to three times as long as one. Threads in different groups do not wait. On ext4, the effect is small.
 */
export interface InodeGroups {
  /** Number of the group that an inode is in. */
  of(inode: number): number;
  /** True when a new file goes into the group of the directory that it is created in, and directories into each group in turn. */
  readonly followDirectories: boolean;
}

/** The groups of the filesystem of a file; undefined for other filesystems. @throws HostError SYSCALL_FAILED */
export function readInodeGroups(file: Descriptor): InodeGroups | undefined {
  const memory = slab();
  const address = memory.address + SLAB.struct;
  if (sys.fstatfs(fdOf(file), address) !== 0) failSyscall('fstatfs', labelOf(file));
  const type = memory.view.getBigUint64(SLAB.struct, true);
  if (type === EXT4) {
    return { followDirectories: false, of: (inode) => Math.floor((inode - 1) / EXT4_GROUP_INODES) };
  }
  if (type !== XFS || sys.ioctl(fdOf(file), XFS_IOC_FSGEOMETRY_V1, address) !== 0) return undefined;
  const field = (offset: number) => memory.view.getUint32(SLAB.struct + offset, true);
  const inodesOfBlock = field(GEOMETRY.blockBytes) / field(GEOMETRY.inodeBytes);
  // An inode number consists of the group, the block in the group, and the inode in the block.
  const numbers = 2 ** Math.ceil(Math.log2(field(GEOMETRY.groupBlocks))) * inodesOfBlock;
  if (field(GEOMETRY.groups) < 2) return undefined;
  return { followDirectories: true, of: (inode) => Math.floor(inode / numbers) };
}
