import { computeContentDigest, createContentHasher } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  type Dir,
  dedupeRange,
  type HostFile,
  hasErrno,
  OPEN,
  openBeneath,
  probeReflinkBetween,
  readExactExtents,
  readPieces,
  statFd,
  type WorkerContext,
} from '#host';
import type { StorePlace } from '#work/account';
import { type Candidate, findCandidates, type SizeGroup } from './candidates.ts';
import { type FilePart, openParts } from './stores.ts';

/** Stores to compare. */
export interface DedupRequest {
  readonly stores: readonly StorePlace[];
  /** Only finds and counts. */
  readonly isDryRun: boolean;
}

/** Number of files and their bytes on disk. */
export interface FileCount {
  files: number;
  bytes: number;
}

/** Result of a deduplication. */
export interface DedupReport {
  readonly stores: readonly {
    readonly kind: StorePlace['kind'];
    readonly store: string;
    readonly files: number;
  }[];
  readonly filesystems: readonly {
    readonly path: string;
    readonly canShare: boolean;
    /** False if its files were not compared, because they could not be shared. */
    readonly isCompared: boolean;
  }[];
  /** Files whose content another file has in other blocks, and the bytes that sharing them frees. */
  readonly duplicates: FileCount;
  /** Duplicates that share their blocks now, and the bytes that these stores no longer use. */
  readonly shared: FileCount;
  /** Files that changed or were removed meanwhile, or that the filesystem did not share. */
  readonly left: number;
  readonly problems: readonly string[];
}

/** Files that already share all of their extents. */
interface SharedSet {
  readonly files: Candidate[];
  readonly bytes: number;
}

/** Maximum number of problems that are reported. */
const PROBLEMS_MAX = 20;
/** Maximum time that a lock is held before others can acquire it, in milliseconds. */
const LOCK_HELD_MS = 1000;

/** Compares the files of stores and shares them, see `dedupStores`. */
export async function shareEqualFiles(
  { stores, isDryRun }: DedupRequest,
  context: Pick<WorkerContext<never, number>, 'isCancelled' | 'post'>,
): Promise<DedupReport> {
  using owned = new DisposableStack();
  const problems: string[] = [];
  const tell = (text: string) => {
    if (problems.length < PROBLEMS_MAX) problems.push(text);
  };
  const onFiles = (count: number) => {
    // The caller reports the reason of its signal instead.
    if (context.isCancelled()) throw new Error('the comparison was cancelled');
    if (count > 0) context.post(count);
  };
  const parts = await openParts(stores, owned, tell);
  const { groups, filesOf, filesystems } = findCandidates(parts, stores.length, onFiles);
  const canShare = new Map([...filesystems].map(([dev, dir]) => [dev, canShareIn(dir, tell)]));
  const work = new Sharing(() => onFiles(0), context.isCancelled, tell);
  try {
    for (const group of groups) {
      if (!isDryRun && canShare.get(group.dev) !== true) continue;
      await work.group(group, isDryRun);
    }
  } finally {
    work.unlock();
  }
  return {
    stores: stores.map(({ kind, label }, at) => ({ kind, store: label, files: filesOf[at] ?? 0 })),
    filesystems: [...filesystems].map(([dev, { label }]) => {
      const can = canShare.get(dev) === true;
      return { path: label, canShare: can, isCompared: can || isDryRun };
    }),
    duplicates: work.duplicates,
    shared: work.shared,
    left: work.left,
    problems,
  };
}

/** True when files of a filesystem can share blocks; leaves no file behind. */
function canShareIn(dir: Dir, tell: (text: string) => void): boolean {
  try {
    return probeReflinkBetween(dir, dir);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    tell(`"${dir.label}" cannot be tried for shared blocks: ${error.message}`);
    return false;
  }
}

class Sharing {
  readonly duplicates: FileCount = { files: 0, bytes: 0 };
  readonly shared: FileCount = { files: 0, bytes: 0 };
  left = 0;
  readonly #onStep: () => void;
  readonly #isCancelled: () => boolean;
  readonly #tell: (text: string) => void;
  #held: { readonly part: FilePart; readonly lock: Disposable; readonly until: number } | undefined;

  constructor(onStep: () => void, isCancelled: () => boolean, tell: (text: string) => void) {
    this.#onStep = onStep;
    this.#isCancelled = isCancelled;
    this.#tell = tell;
  }

  /** Finds the duplicates among files of one size; shares them unless `isDryRun`. */
  async group({ files, sizeBytes }: SizeGroup, isDryRun: boolean): Promise<void> {
    const sets = this.#setsOf(files);
    if (sets.length < 2) return;
    const byContent = new Map<string, SharedSet[]>();
    for (const set of sets) {
      const hash = this.#hash(set);
      if (hash !== undefined) byContent.set(hash, [...(byContent.get(hash) ?? []), set]);
    }
    for (const twins of byContent.values()) {
      const [first, ...others] = twins.sort((a, b) => standing(a) - standing(b));
      for (const set of others) {
        const changeable = set.files.filter(({ part }) => part.mayChange);
        if (changeable.length < set.files.length || first === undefined) continue;
        this.duplicates.files += set.files.length;
        this.duplicates.bytes += set.bytes;
        if (!isDryRun) await this.#share(first, set, sizeBytes);
      }
    }
  }

  /** Groups files by their extents; files whose extents have no exact location on the device are omitted. */
  #setsOf(files: readonly Candidate[]): SharedSet[] {
    const sets = new Map<string, SharedSet>();
    for (const candidate of files) {
      this.#onStep();
      using file = this.#open(candidate);
      if (file === undefined) continue;
      const extents = readExactExtents(file);
      if (extents === undefined) continue;
      const places = extents.map(
        ({ logicalOffset, physicalOffset, sizeBytes }) =>
          `${logicalOffset}:${physicalOffset}:${sizeBytes}`,
      );
      const hash = computeContentDigest(Buffer.from(places.join()));
      const bytes = extents.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
      const set = sets.get(hash) ?? { files: [], bytes };
      set.files.push(candidate);
      sets.set(hash, set);
    }
    return [...sets.values()];
  }

  #hash({ files }: SharedSet): string | undefined {
    const [candidate] = files;
    using file = candidate === undefined ? undefined : this.#open(candidate);
    if (file === undefined) return undefined;
    const hash = createContentHasher();
    for (const piece of readPieces(file)) {
      this.#onStep();
      hash.update(piece);
    }
    return hash.finish();
  }

  async #share(first: SharedSet, set: SharedSet, sizeBytes: number): Promise<void> {
    const [donor] = first.files;
    let done = 0;
    for (const candidate of set.files) {
      this.#onStep();
      await this.#lockFor(candidate.part);
      using from = donor === undefined ? undefined : this.#open(donor);
      using to = this.#open(candidate);
      if (from !== undefined && to !== undefined && this.#shareOne(from, to, sizeBytes)) done += 1;
    }
    this.shared.files += done;
    this.left += set.files.length - done;
    if (done === set.files.length) this.shared.bytes += set.bytes;
  }

  #shareOne(from: HostFile, to: HostFile, sizeBytes: number): boolean {
    try {
      return dedupeRange(from, to, { fromOffset: 0, toOffset: 0, sizeBytes }).outcome === 'shared';
    } catch (error) {
      if (!isOnecopyError(error) || hasErrno(error, 'ENOSPC')) throw error;
      this.#tell(`${to.label} was left as it is: ${error.message}`);
      return false;
    }
  }

  async #lockFor(part: FilePart): Promise<void> {
    const isHeld = this.#held?.part === part && performance.now() < this.#held.until;
    if (isHeld) return;
    this.unlock();
    const lock = await part.lock?.(this.#isCancelled);
    if (lock !== undefined) this.#held = { part, lock, until: performance.now() + LOCK_HELD_MS };
  }

  /** Releases the held lock. */
  unlock(): void {
    this.#held?.lock[Symbol.dispose]();
    this.#held = undefined;
  }

  /** Opens a found file; undefined if it was replaced or removed, or if this user may not read it. */
  #open({ part, path, ino }: Candidate): HostFile | undefined {
    try {
      const file = openBeneath(
        part.root,
        path,
        OPEN.read | OPEN.noFollow | OPEN.nonBlock,
        'refuse',
      );
      if (statFd(file).ino === ino) return file;
      file[Symbol.dispose]();
      return undefined;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      const isGone = hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR');
      if (!isGone) this.#tell(error.message);
      return undefined;
    }
  }
}

/** Rank that decides which of equal sets is kept: the lowest. Files that must not change come before all others. */
function standing({ files }: SharedSet): number {
  const ranks = files.map(({ part }) => (part.mayChange ? part.rank : part.rank - 10));
  return Math.min(...ranks);
}
