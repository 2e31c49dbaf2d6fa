/**
 * Tar: splits a layer into inline bytes and external payloads, reads a stored layer back as entries, finds the
 * members of an archive by name, and writes tars.
 *
 *     [ext header + payload]* header | payload | padding to 512 | next member … | 0 × 1024 | anything
 *     inline                         | external when regular and over 64 bytes, else inline; the rest inline
 */
export { type ArchiveIndex, type MemberRange, readArchiveIndex } from './archive-index.ts';
export type {
  SparseRun,
  SplitContent,
  StoredContent,
  StoredTarEntry,
  TarEntry,
  TarEntryType,
  TarSparse,
} from './entry.ts';
export { INLINE_BYTES_MAX, TAR_BLOCK_BYTES, TYPE_FLAG as TAR_TYPE_FLAG } from './layout.ts';
export {
  parseTarMemberHeader,
  readTarBlockHead,
  type TarBlockHead,
  type TarMemberHeader,
} from './member-header.ts';
export { checkTarEntry } from './path.ts';
export type { PaxTime as TarTime } from './pax.ts';
export { type TarSink, TarSplitter } from './splitter.ts';
export {
  type InlineEntryListener,
  readTarEntries,
  type StoredPart,
  TarReplay,
} from './stored.ts';
export {
  encodeTarHeader,
  encodeTarPadding,
  TAR_END,
  type TarMember,
  type TarMemberSource,
  writeTar,
} from './writer.ts';
