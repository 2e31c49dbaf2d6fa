import type { ByteString } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import { type Dir, type FileStat, hasErrno } from '#host';
import type { FilePart } from './stores.ts';

/** A file whose size occurs more than once. */
export interface Candidate {
  readonly part: FilePart;
  /** Below the root of the part. */
  readonly path: ByteString;
  readonly ino: bigint;
}

/** Files of one size on one filesystem, each inode once. */
export interface SizeGroup {
  readonly sizeBytes: number;
  readonly dev: number;
  readonly files: readonly Candidate[];
}

/** Result of a walk. */
export interface Found {
  /** In descending order of size. */
  readonly groups: readonly SizeGroup[];
  /** Number of regular files, by store. */
  readonly filesOf: readonly number[];
  /** One directory of each filesystem. */
  readonly filesystems: ReadonlyMap<number, Dir>;
}

/** Smaller files, in bytes, share no block: their data is in a partial block, or in the inode. */
const SIZE_BYTES_MIN = 4096;
/** Maximum number of files to compare. Each needs some 200 bytes of memory. */
const CANDIDATES_MAX = 2_000_000;
/** Maximum depth of directories, as in a path of 4096 bytes. */
const DEPTH_MAX = 2048;

/**
 * Finds files that may have a duplicate, in two walks: the first counts sizes, the second collects the files whose size occurs twice.
 * @param onFiles called periodically with the number of files since the last call; it may throw to end the walk
 * @throws UnsupportedError ACCOUNT_TOO_LARGE
 */
export function findCandidates(
  parts: readonly FilePart[],
  stores: number,
  onFiles: (count: number) => void,
): Found {
  const counts = new Map<string, number>();
  const filesOf = Array.from({ length: stores }, () => 0);
  const filesystems = new Map<number, Dir>();
  walkAll(parts, onFiles, (part, _path, stat) => {
    filesOf[part.store] = (filesOf[part.store] ?? 0) + 1;
    if (!filesystems.has(stat.dev)) filesystems.set(stat.dev, part.root);
    if (stat.sizeBytes < SIZE_BYTES_MIN) return;
    const key = keyOf(stat);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  const groups = new Map<string, { sizeBytes: number; dev: number; files: Candidate[] }>();
  const seen = new Set<string>();
  // These files have been reported by the first walk.
  walkAll(
    parts,
    () => onFiles(0),
    (part, path, stat) => {
      const key = keyOf(stat);
      if ((counts.get(key) ?? 0) < 2 || seen.has(`${stat.dev}:${stat.ino}`)) return;
      seen.add(`${stat.dev}:${stat.ino}`);
      if (seen.size > CANDIDATES_MAX) throw tooMany();
      const { sizeBytes, dev, ino } = stat;
      const group = groups.get(key) ?? { sizeBytes, dev, files: [] };
      group.files.push({ part, path, ino });
      groups.set(key, group);
    },
  );
  const found = [...groups.values()].filter(({ files }) => files.length > 1);
  return { groups: found.sort((a, b) => b.sizeBytes - a.sizeBytes), filesOf, filesystems };
}

function keyOf({ dev, sizeBytes }: FileStat): string {
  return `${dev}:${sizeBytes}`;
}

type FileVisitor = (part: FilePart, path: ByteString, stat: FileStat) => void;

function walkAll(
  parts: readonly FilePart[],
  onFiles: (count: number) => void,
  visit: FileVisitor,
): void {
  for (const part of parts) {
    for (const folder of part.folders) {
      using dir = tryOpen(part.root, folder);
      if (dir !== undefined) walk(dir, folder, { part, onFiles, visit }, 0);
    }
  }
}

interface Walking {
  readonly part: FilePart;
  readonly onFiles: (count: number) => void;
  readonly visit: FileVisitor;
}

function walk(dir: Dir, path: string, walking: Walking, depth: number): void {
  let files = 0;
  const below: ByteString[] = [];
  for (const { name, type } of dir.readEntries()) {
    if (type === 'directory') below.push(name);
    if (type !== 'file') continue;
    const stat = dir.lstat(name);
    if (stat?.type !== 'file') continue;
    files += 1;
    walking.visit(walking.part, `${path}/${name}` as ByteString, stat);
  }
  walking.onFiles(files);
  if (depth === DEPTH_MAX) return;
  for (const name of below) {
    using child = tryOpen(dir, name);
    if (child !== undefined) walk(child, `${path}/${name}`, walking, depth + 1);
  }
}

/** Opens a directory; undefined if it is gone or this user may not open it. */
function tryOpen(dir: Dir, name: string): Dir | undefined {
  try {
    return dir.tryOpenDir(name, { noFollow: true });
  } catch (error) {
    const isClosed = ['EACCES', 'EPERM', 'ENOTDIR', 'ELOOP'] as const;
    if (isClosed.some((errno) => hasErrno(error, errno))) return undefined;
    throw error;
  }
}

function tooMany(): UnsupportedError {
  return new UnsupportedError(
    'ACCOUNT_TOO_LARGE',
    `Cannot compare the files of these stores: expected at most ${CANDIDATES_MAX} files of a size that others have, found more`,
    { what: 'files', expected: CANDIDATES_MAX },
    { hint: 'Name fewer stores at once' },
  );
}
