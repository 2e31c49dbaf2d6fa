import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { gather } from '#base/flow';
import { type Dir, fsync, hasErrno } from '#host';
import type { Finding } from '../check/findings.ts';
import {
  CATEGORIES,
  LINK_NAME,
  OBJECTS,
  ORPHAN_KEPT_SEC,
  REFS,
  STAGING_NAME,
  UPLOAD_KEPT_SEC,
  VERIFIED,
} from '../layout.ts';
import { baseNameOf, readObjectLink, readSorted, walkRefs } from '../names/links.ts';
import type { ObjectSet } from '../objects/object-set.ts';
import type { LockOptions } from '../repository/lock.ts';
import type { Repository } from '../repository/repository.ts';
import { type RemoveOptions, removeObjects } from './gc-remove.ts';
import { type Garbage, sweepObjects } from './gc-sweep.ts';
import { markLeased, spareLeased } from './leased.ts';
import { Marker, type Referrer } from './reach.ts';
import { rescueLostStreams } from './rescue.ts';

/** How to apply a plan. */
export interface GcApplyOptions extends LockOptions, RemoveOptions {}

/** How to collect garbage. */
export interface GcOptions extends GcApplyOptions {
  /** Exact names of streams or images to keep, with everything that they reach, in addition to the references. */
  readonly roots?: readonly string[] | undefined;
  /** Images to keep, with everything that they reach, even without a name: mounted images. */
  readonly images?: readonly ObjectId[] | undefined;
}

/** An unreachable object. */
export interface GarbageObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** A name whose object is missing, or is going to be removed; or the reference of an artifact whose subject is going to be removed. */
export interface GarbageLink {
  /** Path relative to the repository, for display. */
  readonly path: string;
  readonly category: 'images' | 'streams';
  /** The name as bytes. */
  readonly name: ByteString;
  /** True if its object is already missing. */
  readonly isBroken: boolean;
}

/** A plan of garbage collection, with findings. */
export interface GcPlan {
  /** Objects to remove, in order of ids. */
  readonly objects: readonly GarbageObject[];
  readonly objectsBytes: number;
  readonly links: readonly GarbageLink[];
  /** Leftover files and links of crashed writers: paths relative to the repository, as bytes. */
  readonly leftovers: readonly ByteString[];
  readonly keptObjects: number;
  /** The names given as roots. */
  readonly roots: readonly string[];
  /** The images of `kept` that are not reachable otherwise. */
  readonly held: readonly ObjectId[];
  readonly findings: readonly Finding[];
}

/** Report of garbage collection. */
export interface GcResult {
  readonly objectsRemoved: number;
  readonly objectsBytes: number;
  readonly imagesPruned: number;
  readonly streamsPruned: number;
  readonly leftoversRemoved: number;
  readonly findings: readonly Finding[];
}

/**
 * Plans garbage collection. It needs no exclusive lock: other processes may read and write, so the plan can become outdated, and `applyGc`
 * plans again.
 * @throws IntegrityError GC_UNREADABLE if a reachable stream or image cannot be read; NotFoundError STREAM_NOT_FOUND for an unknown root
 */
export async function planGc(repository: Repository, options: GcOptions = {}): Promise<GcPlan> {
  const found = await plan(repository, options, []);
  const { garbage, inodes: _inodes, ...rest } = found;
  const objects: GarbageObject[] = [];
  for (const id of garbage.ids()) {
    objects.push({ id, sizeBytes: repository.objects.sizeOf(id) ?? 0 });
  }
  objects.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...rest, objects, objectsBytes: objects.reduce((sum, o) => sum + o.sizeBytes, 0) };
}

/** The internal plan: bare ids, and the locations of their objects. */
interface SweepPlan extends Omit<GcPlan, 'objects' | 'objectsBytes'>, Garbage {}

/**
 * Plans with the entries of `kept` as additional roots. Everything that the roots reach is read and verified before an object counts as
 * garbage.
 */
async function plan(
  repository: Repository,
  options: GcOptions,
  kept: readonly Entry[],
): Promise<SweepPlan> {
  const { signal, onProgress } = options;
  const roots = options.roots ?? [];
  onProgress?.({ type: 'started', id: 'gc:mark', unit: 'items' });
  const marker = new Marker(repository, signal);
  await marker.markRoots(roots);
  for (const { category, name } of kept) await marker.markEntry(category, name);
  const held: ObjectId[] = [];
  for (const id of options.images ?? []) if (await marker.markHeld(id)) held.push(id);
  const leases = await markLeased(repository, marker);
  const rescued = await rescueLostStreams(repository, marker);
  const referrers = await marker.markReferrers();
  await marker.markDerived();
  const swept = await sweepObjects(repository, marker.live, { signal });
  onProgress?.({ type: 'done', id: 'gc:mark', transferred: swept.kept });
  return {
    garbage: swept.garbage,
    inodes: swept.inodes,
    links: [...referrers.map(linkOf), ...findLinks(repository, marker.rooted, swept.garbage)],
    leftovers: findLeftovers(repository, leases > 0),
    keptObjects: swept.kept,
    roots,
    held,
    findings: [...marker.findings, ...rescued, ...swept.findings],
  };
}

/**
 * Removes the garbage of a plan under the exclusive lock, after all other processes have closed the repository. Under the lock it plans
 * again, and removes only the garbage of both plans. A name that was created since is kept, with everything that it reaches.
 * @throws BusyError REPO_LOCKED after `timeoutMs`; UnsupportedError REPO_READ_ONLY; as `planGc`
 */
export function applyGc(
  repository: Repository,
  planned: GcPlan,
  options: GcApplyOptions & Pick<GcOptions, 'images'> = {},
): Promise<GcResult> {
  const again = { ...options, roots: planned.roots };
  return collect(repository, options, async () => {
    const names = new Set(planned.links.map(({ path }) => path));
    const { links } = await plan(repository, again, []);
    const since = links.filter(({ path }) => !names.has(path));
    const kept = since.flatMap((link) => entryOf(repository, link));
    return intersect(await plan(repository, again, kept), planned);
  });
}

/** Plans and applies under one exclusive lock. @throws as `applyGc` */
export function collectGarbage(repository: Repository, options: GcOptions = {}): Promise<GcResult> {
  return collect(repository, options, () => plan(repository, options, []));
}

function collect(
  repository: Repository,
  options: GcApplyOptions,
  decide: () => Promise<SweepPlan>,
): Promise<GcResult> {
  repository.ensureWritable();
  return repository.exclusively(options, async () => {
    options.signal?.throwIfAborted();
    const decided = await decide();
    options.signal?.throwIfAborted();
    return remove(repository, decided, options);
  });
}

/** A first-level entry of a category. */
type Entry = Pick<GarbageLink, 'category' | 'name'>;

/** The object that this link needs. */
function entryOf(repository: Repository, link: GarbageLink): readonly Entry[] {
  const { category, name, isBroken } = link;
  if (isBroken) return [];
  if (!name.includes('/')) return [{ category, name }];
  const target = repository.root.readlink(`${category}/${name}`);
  const base = target === undefined ? undefined : baseNameOf(target);
  return base === undefined ? [] : [{ category, name: base }];
}

function intersect(now: SweepPlan, planned: GcPlan): SweepPlan {
  const objects = new Set(planned.objects.map(({ id }) => id));
  const both = [...now.garbage.ids()].map((id, index) => ({ id, inode: now.inodes[index] ?? 0 }));
  const kept = both.filter(({ id }) => objects.has(id));
  const paths = new Set(planned.links.map(({ path }) => path));
  const leftovers = new Set(planned.leftovers);
  return {
    ...now,
    garbage: now.garbage.of(kept.map(({ id }) => id)),
    inodes: kept.map(({ inode }) => inode),
    links: now.links.filter(({ path }) => paths.has(path)),
    leftovers: now.leftovers.filter((path) => leftovers.has(path)),
  };
}

/** Removes and syncs names first, and then objects: after an interruption at any point, no name points to a removed object. */
async function remove(
  repository: Repository,
  decided: SweepPlan,
  options: GcApplyOptions,
): Promise<GcResult> {
  const { root } = repository;
  const changed = new Set<string>();
  const pruned = { images: 0, streams: 0 };
  const prune = ({ category, name }: GarbageLink) => {
    if (root.unlink(`${category}/${name}`)) pruned[category] += 1;
    const slash = name.lastIndexOf('/');
    const parent = slash < 0 ? category : `${category}/${name.slice(0, slash)}`;
    changed.add(slash >= 0 && removeIfEmpty(root, parent) ? parentOf(parent) : parent);
  };
  await gather(decided.links, prune, options);
  const left = await gather(decided.leftovers, (path) => root.unlink(path), options);
  const leftoversRemoved = left.filter((isRemoved) => isRemoved).length;
  syncDirectories(root, changed);
  const removed = await removeObjects(root, spareLeased(repository, decided), options);
  forgetVerified(repository);
  return {
    ...removed,
    imagesPruned: pruned.images,
    streamsPruned: pruned.streams,
    leftoversRemoved,
    findings: decided.findings,
  };
}

/** Removes the marks of verified images that no longer exist. */
function forgetVerified({ root, objects }: Repository): void {
  for (const { name } of readSorted(root, VERIFIED)) {
    if (!objects.has(name as string as ObjectId)) root.unlink(`${VERIFIED}/${name}`);
  }
}

function removeIfEmpty(root: Dir, path: string): boolean {
  try {
    return root.rmdir(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY')) throw error;
    return false;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/**
 * Makes the removal of names durable: fsync of their directories, or of the parent of a removed directory. A sync of the whole filesystem
 * would also write the data of other processes, which takes seconds and is not needed.
 */
function syncDirectories(root: Dir, paths: Iterable<string>): void {
  const done = new Set<string>();
  for (let path of paths) {
    let dir = root.tryOpenDir(path, { noFollow: true });
    while (dir === undefined && path.includes('/')) {
      path = parentOf(path);
      dir = root.tryOpenDir(path, { noFollow: true });
    }
    using open = dir;
    if (open === undefined || done.has(path)) continue;
    fsync(open);
    done.add(path);
  }
}

/** First-level names whose object is missing or going to be removed. A name with a reference is kept, because it records what was lost. */
function findLinks(
  repository: Repository,
  rooted: ReadonlySet<string>,
  garbage: ObjectSet,
): GarbageLink[] {
  const { root, algorithm } = repository;
  const links: GarbageLink[] = [];
  for (const category of CATEGORIES) {
    for (const { name, type } of readSorted(root, category)) {
      const path = `${category}/${name}`;
      if (type !== 'symlink' || LINK_NAME.test(name) || rooted.has(path)) continue;
      const link = readObjectLink(root, path, algorithm);
      const isBroken = root.stat(path) === undefined;
      const isGarbage = link.kind === 'object' && garbage.has(link.id);
      if (!isBroken && !isGarbage) continue;
      links.push({ path: displayText(path as ByteString), category, name, isBroken });
    }
  }
  return links;
}

/** The reference of an artifact whose subject is going to be removed. */
function linkOf({ path }: Referrer): GarbageLink {
  const name = path.slice('streams/'.length) as ByteString;
  return { path: displayText(path as ByteString), category: 'streams', name, isBroken: false };
}

/**
 * Finds staging files, temporary links, and kept files that have expired. While the lock is held exclusively, only a pull with a lease may use a
 * staging file.
 */
function findLeftovers(repository: Repository, isLeased: boolean): ByteString[] {
  const { root } = repository;
  const directories = [...(isLeased ? [] : [OBJECTS, '.']), ...CATEGORIES];
  const paths = directories.flatMap((directory) => findLeftoversIn(repository, directory));
  const { partials, uploads, accepted, chosenFrom, origins, kept, leases } = repository;
  paths.push(...partials.findStale(), ...leases.findStale());
  for (const files of Object.values(kept)) paths.push(...files.findStale());
  paths.push(...uploads.findStale((_, ageSec) => ageSec > UPLOAD_KEPT_SEC));
  const manifestOf = (name: string) => `streams/oci-manifest-${name.replace('-', ':')}`;
  const isOrphan = (name: string) => root.lstat(manifestOf(name)) === undefined;
  for (const notes of [accepted, chosenFrom, origins]) {
    paths.push(...notes.findStale((name, ageSec) => ageSec > ORPHAN_KEPT_SEC && isOrphan(name)));
  }
  for (const category of CATEGORIES) {
    for (const { name, target } of walkRefs(root, category)) {
      const base = name.slice(name.lastIndexOf('/') + 1);
      if (target !== undefined && LINK_NAME.test(base)) {
        paths.push(`${category}/${REFS}/${name}` as ByteString);
      }
    }
  }
  return paths;
}

function findLeftoversIn({ root }: Repository, directory: string): ByteString[] {
  const paths: string[] = [];
  for (const { name, type } of readSorted(root, directory)) {
    const isStaging = type === 'file' && STAGING_NAME.test(name);
    const isLink = type === 'symlink' && LINK_NAME.test(name);
    if (isStaging || isLink) paths.push(directory === '.' ? name : `${directory}/${name}`);
  }
  return paths as ByteString[];
}
