import { isOnecopyError, quietly } from '#base/errors';
import { type Finding, isIntact, type Repository } from '#stores/composefs';
import {
  buildImage,
  configStreamName,
  layerStreamName,
  manifestsBelow,
  openOciImage,
} from '#work/image';
import {
  type CheckOptions,
  type CheckReport,
  checkEverything,
  objectsOf,
  type ReportedFinding,
} from './everything.ts';
import type { ObjectUse } from './users.ts';

/** How to repair. */
export interface RepairOptions extends CheckOptions {
  /** Pulls damaged images again from their source: a pull verifies and replaces marked objects. */
  readonly refetch?: (() => Promise<void>) | undefined;
}

/** A damaged object that was removed because it could not be restored, and the images that use it. */
export interface RemovedObject {
  readonly path: string;
  readonly usedBy: readonly ObjectUse[];
}

/** Report of a repair. */
export interface RepairReport {
  readonly before: CheckReport;
  /** Repaired problems. */
  readonly repaired: readonly ReportedFinding[];
  readonly removed: readonly RemovedObject[];
  /** What is still wrong. */
  readonly after: CheckReport;
}

/**
 * Repairs the findings of a check: pulls damaged contents again if possible, restores names of streams, rebuilds EROFS images from their
 * layers, and removes damaged objects that could not be restored, so that readers get an error instead of wrong data. Tags are kept, also
 * those of damaged images.
 * @throws as `checkEverything`, `refetch` and `buildImage`; UnsupportedError REPO_READ_ONLY; BusyError REPO_LOCKED
 */
export async function repairRepository(
  repository: Repository,
  { refetch, ...options }: RepairOptions = {},
): Promise<RepairReport> {
  repository.ensureWritable();
  const before = await checkEverything(repository, options);
  if (before.ok) return { before, repaired: [], removed: [], after: before };
  await refetch?.();
  const odd = new Set(
    before.findings.flatMap((finding) =>
      finding.kind === 'image-id-mismatch' && 'image' in finding ? [finding.image] : [],
    ),
  );
  for (const { name } of repository.tags.list()) {
    options.signal?.throwIfAborted();
    await restoreImage(repository, name, { isOdd: odd.has(name), signal: options.signal });
  }
  for (const { name, indexDigest } of repository.tags.listIndexes()) {
    const below = quietly(() => manifestsBelow(repository, indexDigest)) ?? [];
    for (const { digest, kind } of below) {
      options.signal?.throwIfAborted();
      if (kind === 'index') continue;
      await restoreImage(repository, `@${digest}`, {
        isOdd: odd.has(name),
        signal: options.signal,
      });
    }
  }
  repository.sync();
  const removed = await removeDamaged(repository, before.findings, options);
  const after = await checkEverything(repository, options);
  const repaired = repairedOf(before.findings, after.findings, removed);
  return { before, repaired, removed, after };
}

/** The findings that are gone. Where a removed object left another finding at the same place, nothing there is repaired. */
function repairedOf(
  before: readonly ReportedFinding[],
  after: readonly ReportedFinding[],
  removed: readonly RemovedObject[],
): ReportedFinding[] {
  const known = new Set(before.map(keyOf));
  const left = new Set(after.map(keyOf));
  const changed = new Set(after.filter((finding) => !known.has(keyOf(finding))).map(placeOf));
  for (const { path } of removed) changed.add(path);
  return before.filter((finding) => !left.has(keyOf(finding)) && !changed.has(placeOf(finding)));
}

function placeOf(finding: ReportedFinding): string {
  return 'path' in finding ? finding.path : finding.image;
}

function keyOf(finding: ReportedFinding): string {
  return [finding.kind, placeOf(finding), finding.detail].join('\0');
}

/** Restores the names of the streams of an image, and rebuilds its EROFS images if they are missing or wrong. */
async function restoreImage(
  repository: Repository,
  name: string,
  { isOdd, signal }: Pick<CheckOptions, 'signal'> & { readonly isOdd: boolean },
): Promise<void> {
  const image = quietly(() => openOciImage(repository, name));
  if (image === undefined) return;
  const { streams } = repository;
  const names = [
    [configStreamName(image.manifest.config.digest), image.configStreamId],
    ...image.layers.map(
      ({ diffId, digest, id }) => [layerStreamName(diffId ?? digest), id] as const,
    ),
  ] as const;
  for (const [stream, id] of names) {
    if (!streams.leadsTo(stream, id) && isIntact(repository, id)) streams.register(stream, id);
  }
  if (image.config === undefined) return;
  const ids = [...image.images.values()];
  const isWhole =
    ids.length > 0 && ids.every((id) => repository.images.has(id) && isIntact(repository, id));
  if (isWhole && !isOdd) return;
  try {
    await buildImage(repository, name, { signal, force: true });
  } catch (error) {
    // Its layers are damaged, too: the following check reports that.
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
  }
}

/** Kinds of findings about an object whose content does not match its name. */
const DAMAGED: ReadonlySet<Finding['kind']> = new Set<Finding['kind']>([
  'object-digest-mismatch',
  'object-open-failed',
  'object-verity-failed',
  'object-verity-missing',
]);

/** Under the exclusive lock, so that no other process has just replaced the object. */
async function removeDamaged(
  repository: Repository,
  findings: readonly ReportedFinding[],
  { signal, onProgress }: CheckOptions,
): Promise<RemovedObject[]> {
  const damaged = findings.filter(
    (finding): finding is Finding & ReportedFinding =>
      'path' in finding && DAMAGED.has(finding.kind),
  );
  // Restored objects need no exclusive lock.
  const isDamaged = (finding: Finding) =>
    objectsOf(finding).some((id) => !isIntact(repository, id));
  if (!damaged.some(isDamaged)) return [];
  return await repository.exclusively({ signal, onProgress }, async () => {
    const removed: RemovedObject[] = [];
    for (const finding of damaged) {
      const [id] = objectsOf(finding);
      if (id === undefined || isIntact(repository, id)) continue;
      const { path, usedBy } = finding;
      if (repository.root.unlink(path)) removed.push({ path, usedBy });
    }
    return removed;
  });
}
