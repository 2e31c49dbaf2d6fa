/**
 * Trees: the filesystem model between sources and images, its transforms, and its text form, the composefs dumpfile. Every
 * source produces a tree; every image is written from a tree.
 *
 *     Tree ── root: Directory ── entries: name → Directory | leaf index
 *        └─── leaves: LeafList   (two names with one index are hard links)
 */
export { escapeField, escapeXattr } from './dumpfile-escape.ts';
export { type Dialect, TYPE_BITS } from './dumpfile-layout.ts';
export {
  type DumpfileOptions,
  DumpfileParser,
  type ImageOverrides,
  type ParsedDumpfile,
  parseDumpfile,
} from './dumpfile-reader.ts';
export {
  type Dumped,
  dumpLine,
  dumpLinkLine,
  encodeDumpfile,
  writeDumpfile,
} from './dumpfile-writer.ts';
export { DigestPool } from './leaves/digest-pool.ts';
export { LeafList } from './leaves/leaf-list.ts';
export {
  type DeviceLeaf,
  Directory,
  type ExternalLeaf,
  type ExternalNoVerityLeaf,
  type InlineLeaf,
  type Inode,
  isRegular,
  isWhiteout,
  type Leaf,
  type LeafIndex,
  NO_XATTRS,
  PERMISSION_BITS,
  type PipeLeaf,
  type RegularLeaf,
  type SparseLeaf,
  type Stat,
  type SymlinkLeaf,
  sortedEntries,
  sortedNames,
  sortedXattrs,
  Tree,
  UNSET_STAT,
} from './model.ts';
export {
  compactTree,
  countLinks,
  DEPTH_LIMIT,
  findPath,
  insertEntry,
  leafAt,
  lookupDirectory,
  lookupFile,
  lookupLeaf,
  lookupPath,
  mapRegularLeaves,
  mergeEntry,
  newestMtime,
  removeEntry,
  splitPath,
  statOf,
  type TreeEntry,
  verifyTree,
  verifyTreeInSteps,
  type WalkStart,
  walkDirectories,
  walkTree,
} from './operations.ts';
export type { Reading, ReadingDifference } from './reading.ts';
export {
  canonicaliseRun,
  copyRootMetadataFromUsr,
  filterXattrs,
  mapStats,
  type OciTransformOptions,
  type OnMissing,
  parseXattrMode,
  transformForOci,
  transformForOciInSteps,
  XATTR_MODES,
  type XattrMode,
} from './transform.ts';
