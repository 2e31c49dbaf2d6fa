import { checkTarEntry, type StoredContent, type TarEntry } from '#formats/tar';
import { type Dumped, dumpLine, dumpLinkLine } from '#formats/tree';
import { leafOfEntry } from './layer-leaf.ts';

/**
 * A member of a layer as a line of a dumpfile: each member on its own, in the order of the layer, with one link; whiteouts are plain
 * files. Source: composefs-rs 0.9.4 `oci layer --dumpfile`.
 * @throws as `checkTarEntry`
 */
export function dumpLayerEntry(entry: TarEntry, content: StoredContent): string {
  checkTarEntry(entry);
  const { type, writtenPath: path, mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = entry;
  if (type === 'hardlink') return dumpLinkLine(path, entry.linkTarget);
  const stat = { mode, uid, gid, mtimeSec, mtimeNsec, xattrs };
  const dumped: Dumped =
    type === 'directory' ? { kind: 'directory', stat } : leafOfEntry(entry, stat, content);
  return dumpLine(path, dumped, 1);
}
