import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { type Dir, hasErrno, startWorker } from '#host';
import type { Finding } from './findings.ts';
import { ObjectRemover, type Removal } from './gc-remove.ts';
import { CATEGORIES, FAN_OUT, LINK_NAME, OBJECTS, REFS, STAGING_NAME } from './layout.ts';
import { baseNameOf, readObjectLink, readSorted, readUnsorted, walkRefs } from './links.ts';
import type { LockOptions } from './lock.ts';
import { objectIdIn } from './objects.ts';
import { Marker, type Referrer } from './reach.ts';
import type { Repository } from './repository.ts';
import { rescueLostStreams } from './rescue.ts';

/** How to collect garbage. */
export interface GcOptions extends LockOptions {
  /** Exact names of streams or images to keep with all they need, beside what references keep. */
  readonly roots?: readonly string[] | undefined;
}

/** An object that nothing reaches. */
export interface GarbageObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** A name whose object is missing already, or would be after collecting; or the reference of an artifact whose subject would be. */
export interface GarbageLink {
  /** Path relative to the repository, for display. */
  readonly path: string;
  readonly category: 'images' | 'streams';
  /** The name as bytes. */
  readonly name: ByteString;
  /** True when its object is missing already. */
  readonly isBroken: boolean;
}

/** What collecting garbage would do, and what was seen on the way. */
export interface GcPlan {
  /** Objects to remove, in order of ids. */
  readonly objects: readonly GarbageObject[];
  readonly objectsBytes: number;
  readonly links: readonly GarbageLink[];
  /** Files and links that a crashed writer left behind: paths relative to the repository, as bytes. */
  readonly leftovers: readonly ByteString[];
  readonly keptObjects: number;
  /** The names given as roots. */
  readonly roots: readonly string[];
  readonly findings: readonly Finding[];
}

/** What collecting garbage did. */
export interface GcResult {
  readonly objectsRemoved: number;
  readonly objectsBytes: number;
  readonly imagesPruned: number;
  readonly streamsPruned: number;
  readonly leftoversRemoved: number;
  readonly findings: readonly Finding[];
}

/**
 * Finds out what collecting garbage would remove. Needs no exclusive lock: others may read and write meanwhile, so the answer is of the
 * moment, and `applyGc` looks again.
 * @throws IntegrityError GC_UNREADABLE when something a root needs cannot be read; NotFoundError STREAM_NOT_FOUND for an unknown root
 */
export async function planGc(repository: Repository, options: GcOptions = {}): Promise<GcPlan> {
  return plan(repository, options, []);
}

/** Plans as if references named the entries of `kept` too. */
function plan(repository: Repository, options: GcOptions, kept: readonly Entry[]): GcPlan {
  const { signal, onProgress } = options;
  const roots = options.roots ?? [];
  onProgress?.({ type: 'started', id: 'gc:mark', unit: 'items' });
  const marker = new Marker(repository);
  marker.markRoots(roots, signal);
  for (const { category, name } of kept) marker.markEntry(category, name);
  const findings = marker.findings;
  findings.push(...rescueLostStreams(repository, marker));
  const referrers = marker.markReferrers();
  onProgress?.({ type: 'done', id: 'gc:mark', transferred: marker.live.size });
  const swept = sweepObjects(repository, marker, options);
  findings.push(...swept.findings);
  const garbage = new Set(swept.objects.map(({ id }) => id));
  return {
    objects: swept.objects,
    objectsBytes: swept.objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    links: [...referrers.map(linkOf), ...findLinks(repository, marker.rooted, garbage)],
    leftovers: findLeftovers(repository),
    keptObjects: swept.kept,
    roots,
    findings,
  };
}

/**
 * Removes what a plan names, alone in the repository: waits for everybody else to close it. Under the lock it plans once more, and
 * removes only what is garbage in both plans; a name that has come since is kept with all it needs, as if a reference named it.
 * @throws BusyError REPO_LOCKED after `timeoutMs`; UnsupportedError REPO_READ_ONLY; as `planGc`
 */
export function applyGc(
  repository: Repository,
  planned: GcPlan,
  options: LockOptions = {},
): Promise<GcResult> {
  const again = { ...options, roots: planned.roots };
  return collect(repository, options, () => {
    const names = new Set(planned.links.map(({ path }) => path));
    const since = plan(repository, again, []).links.filter(({ path }) => !names.has(path));
    const kept = since.flatMap((link) => entryOf(repository, link));
    return intersect(plan(repository, again, kept), planned);
  });
}

/** Plans and applies under one exclusive lock. @throws as `applyGc` */
export function collectGarbage(repository: Repository, options: GcOptions = {}): Promise<GcResult> {
  return collect(repository, options, () => plan(repository, options, []));
}

function collect(
  repository: Repository,
  options: LockOptions,
  decide: () => GcPlan,
): Promise<GcResult> {
  repository.ensureWritable();
  return repository.exclusively(options, async () => {
    options.signal?.throwIfAborted();
    const decided = decide();
    options.signal?.throwIfAborted();
    return remove(repository, decided, options);
  });
}

/** A first-level entry of a category. */
type Entry = Pick<GarbageLink, 'category' | 'name'>;

/** What must be kept so that this link goes on leading somewhere. */
function entryOf(repository: Repository, link: GarbageLink): readonly Entry[] {
  const { category, name, isBroken } = link;
  if (isBroken) return [];
  if (!name.includes('/')) return [{ category, name }];
  const target = repository.root.readlink(`${category}/${name}`);
  const base = target === undefined ? undefined : baseNameOf(target);
  return base === undefined ? [] : [{ category, name: base }];
}

function intersect(now: GcPlan, planned: GcPlan): GcPlan {
  const objects = new Set(planned.objects.map(({ id }) => id));
  const paths = new Set(planned.links.map(({ path }) => path));
  const leftovers = new Set(planned.leftovers);
  return {
    ...now,
    objects: now.objects.filter(({ id }) => objects.has(id)),
    links: now.links.filter(({ path }) => paths.has(path)),
    leftovers: now.leftovers.filter((path) => leftovers.has(path)),
  };
}

/** Names first, synced, then objects: whatever interrupts this, no name is left whose object is gone. */
async function remove(
  repository: Repository,
  decided: GcPlan,
  options: GcOptions,
): Promise<GcResult> {
  const { root } = repository;
  const pruned = { images: 0, streams: 0 };
  for (const { category, name } of decided.links) {
    if (root.unlink(`${category}/${name}`)) pruned[category] += 1;
    const slash = name.lastIndexOf('/');
    if (slash >= 0) removeIfEmpty(root, `${category}/${name.slice(0, slash)}`);
  }
  const leftoversRemoved = decided.leftovers.filter((path) => root.unlink(path)).length;
  if (decided.links.length > 0) repository.sync();
  const removed = await removeObjects(repository, decided.objects, options);
  return {
    ...removed,
    imagesPruned: pruned.images,
    streamsPruned: pruned.streams,
    leftoversRemoved,
    findings: decided.findings,
  };
}

function removeIfEmpty(root: Dir, path: string): void {
  try {
    root.rmdir(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY')) throw error;
  }
}

/** Fewer objects are removed by one thread: starting another costs more. */
const THREAD_OBJECTS_MIN = 4000;

async function removeObjects(
  { root }: Repository,
  objects: readonly GarbageObject[],
  { signal, onProgress }: GcOptions,
): Promise<{ objectsRemoved: number; objectsBytes: number }> {
  const id = 'gc:remove';
  const total = objects.length;
  onProgress?.({ type: 'started', id, unit: 'items', total });
  let done = 0;
  const onAdvance = (count: number) => {
    done += count;
    onProgress?.({ type: 'advanced', id, done, total });
  };
  using dir = total === 0 ? undefined : root.tryOpenDir(OBJECTS);
  const removal = {
    objectsFd: dir?.fd ?? -1,
    ids: objects.map((object) => object.id).join(''),
    idLength: objects[0]?.id.length ?? 1,
    reports: onProgress !== undefined,
    next: new SharedArrayBuffer(4),
  };
  const missing = dir === undefined ? [] : await removeInThreads(removal, onAdvance, signal);
  const sizes = objects.map(({ sizeBytes }) => sizeBytes);
  for (const index of missing) sizes[index] = 0;
  const objectsRemoved = total - missing.length;
  onProgress?.({ type: 'done', id, transferred: objectsRemoved });
  return { objectsRemoved, objectsBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Removes objects here, and in a second thread when there are many; returns the numbers of those that were gone already. */
async function removeInThreads(
  removal: Removal,
  onMessage: (objects: number) => void,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const isLarge = removal.ids.length >= THREAD_OBJECTS_MIN * removal.idLength;
  const module = new URL('./gc-worker.ts', import.meta.url);
  const other = isLarge
    ? startWorker<Removal, never, number, readonly number[]>(module, removal, { onMessage, signal })
    : undefined;
  const remover = new ObjectRemover(removal);
  try {
    for (let count = remover.step(); count !== undefined; count = remover.step()) {
      onMessage(count);
      await yieldToEvents();
      signal?.throwIfAborted();
    }
    return [...remover.missing, ...((await other?.done) ?? [])];
  } finally {
    // The other thread must be gone before the lock and the directory are given back.
    other?.cancel();
    await Promise.allSettled([other?.done]);
    await other?.[Symbol.asyncDispose]();
  }
}

function sweepObjects(repository: Repository, marker: Marker, { signal }: GcOptions) {
  const { root, algorithm, objects } = repository;
  const garbage: GarbageObject[] = [];
  const findings: Finding[] = [];
  let kept = 0;
  for (const fanOut of FAN_OUT) {
    signal?.throwIfAborted();
    for (const { name } of readUnsorted(root, `${OBJECTS}/${fanOut}`)) {
      // Most are live: asking that first saves parsing their names.
      if (marker.live.has(`${fanOut}${name}` as ObjectId)) {
        kept += 1;
        continue;
      }
      const id = objectIdIn(fanOut, name, algorithm);
      const sizeBytes = id === undefined ? undefined : objects.sizeOf(id);
      if (id !== undefined && sizeBytes !== undefined) garbage.push({ id, sizeBytes });
      else {
        const path = `${OBJECTS}/${fanOut}/${displayText(name)}`;
        findings.push({ kind: 'object-invalid-name', path, detail: 'it is left alone' });
      }
    }
  }
  garbage.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { objects: garbage, kept, findings };
}

/** First-level names whose object is missing or about to be removed. What a reference names stays, because it says what was lost. */
function findLinks(
  repository: Repository,
  rooted: ReadonlySet<string>,
  garbage: ReadonlySet<ObjectId>,
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

/** The reference of an artifact whose subject goes. */
function linkOf({ path }: Referrer): GarbageLink {
  const name = path.slice('streams/'.length) as ByteString;
  return { path: displayText(path as ByteString), category: 'streams', name, isBroken: false };
}

/** Staging files and temporary links. Nobody is using them while the lock is held exclusively. */
function findLeftovers(repository: Repository): ByteString[] {
  const { root } = repository;
  const paths: string[] = [];
  for (const directory of [OBJECTS, ...CATEGORIES, '.']) {
    for (const { name, type } of readSorted(root, directory)) {
      const isStaging = type === 'file' && STAGING_NAME.test(name);
      const isLink = type === 'symlink' && LINK_NAME.test(name);
      if (isStaging || isLink) paths.push(directory === '.' ? name : `${directory}/${name}`);
    }
  }
  for (const category of CATEGORIES) {
    for (const { name, target } of walkRefs(root, category)) {
      const base = name.slice(name.lastIndexOf('/') + 1);
      if (target !== undefined && LINK_NAME.test(base)) paths.push(`${category}/${REFS}/${name}`);
    }
  }
  return paths as ByteString[];
}
