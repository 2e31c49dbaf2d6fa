import type { StoredContent, TarEntry } from '#formats/tar';
import type { Leaf, Stat } from '#formats/tree';

/** The leaf of a member that is neither a directory nor a hard link. `content` is the payload of a file. */
export function leafOfEntry(entry: TarEntry, stat: Stat, content: StoredContent): Leaf {
  switch (entry.type) {
    case 'file':
      return content.kind === 'inline'
        ? { kind: 'inline', stat, content: content.bytes }
        : { kind: 'external', stat, id: content.id, sizeBytes: content.sizeBytes };
    case 'symlink':
      return { kind: 'symlink', stat, target: entry.linkTarget };
    case 'chr':
    case 'blk':
      return { kind: entry.type, stat, rdev: deviceNumber(entry.rdevMajor, entry.rdevMinor) };
    default:
      // Only fifos remain: directories and hard links are not leaves, and unknown types were rejected before.
      return { kind: 'fifo', stat };
  }
}

/** The kernel's 32-bit device number: 12 bits major, 20 bits minor. Source: Linux include/linux/kdev_t.h new_encode_dev. */
function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
