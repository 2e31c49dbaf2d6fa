import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import { byteStringFromText } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError, UsageError } from '#base/errors';
import { inTurns, type Steps } from '#base/flow';
import type { ImageView } from '#work/browse';
import {
  findWhole,
  type Named,
  type NamedCommit,
  type NamedImage,
  type NamedIndex,
  openNamedView,
} from '#work/catalog';
import {
  type CheckReport,
  checkEverything,
  type ObjectUse,
  type RepairReport,
  repairRepository,
} from '#work/check';
import {
  checkCommit,
  listCommits,
  listPartialCommits,
  openBase,
  openPartial,
  restoreCommitImage,
} from '#work/commits';
import type { Repository } from '#work/repository';
import { type FsckReport, type fsckCommit, fsckReport, type imageFinding } from './fsck-report.ts';
import { refetchFrom } from './refetch.ts';
import { openSelected } from './repository.ts';
import { flag, orNull, texts } from './schemas.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const ROOT = byteStringFromText('/');

const request = v.strictObject({
  names: texts,
  metadataOnly: flag,
  /** Restore or rebuild damaged objects, and remove those that cannot be repaired. */
  repair: flag,
  /** Images and commits to pull again for the repair; no name changes. */
  from: texts,
});
type FsckRequest = v.InferOutput<typeof request>;
type CommitRow = v.InferOutput<typeof fsckCommit>;
type ImageFinding = v.InferOutput<typeof imageFinding>;

/**
 * `fsck`: verifies objects, streams, images, names and tags, rebuilds layers and compares their diff ids, and rebuilds EROFS images. With
 * names, only those images and commits are verified. With `repair`, damage is repaired if possible.
 */
export const fsck = defineVerb({
  request,
  report: fsckReport,
  examples: [
    { request: {}, says: 'Check the whole repository' },
    { request: { names: ['app', 'os'] }, says: 'Check an image and a commit' },
    {
      request: { repair: true, from: ['oci:layout:latest'] },
      says: 'Repair damaged data, and pull missing objects again from an image',
    },
  ],
  plan: async (context, asked) => await check(context, asked, false),
  run: async (context, asked) => await check(context, asked, asked.repair === true),
  hasFindings: ({ ok }) => !ok,
  isQuestion: ({ repair }) => repair !== true,
});

async function check(
  context: VerbContext,
  asked: FsckRequest,
  doesRepair: boolean,
): Promise<FsckReport> {
  requireFit(asked);
  const { names, metadataOnly = false } = asked;
  using repository = await openSelected(context);
  const whole = names.map((name) => findWhole(repository, name));
  const images = whole.filter(isImage).map((one) => nameOf(one, repository));
  const named = whole.filter((one) => one.kind !== 'index');
  const others = named.filter((one) => one.kind === 'erofs');
  if (asked.repair === true && others.length > 0) {
    throw new UsageError(
      'Cannot repair a bare EROFS image: expected images and commits, or no name for the whole repository',
    );
  }
  const { signal, onProgress, jobs } = context;
  const workers = jobs ?? availableParallelism();
  const options = { signal, onProgress, workers, metadataOnly, names: images };
  const bare = await checkBare(context, repository, named, metadataOnly);
  if (doesRepair && names.length > 0 && images.length === 0) {
    return await repairCommits(context, repository, named, asked.from);
  }
  if (doesRepair) {
    const refetch = async () => {
      await refetchFrom(context, repository, asked.from);
      await restoreImages(context, repository);
    };
    const done = await repairRepository(repository, { ...options, refetch });
    const left = names.length === 0 ? storedCommits(repository) : named;
    const rows = await checkCommits(context, repository, left, metadataOnly);
    return reportOf(done, rows, []);
  }
  const checked = names.length === 0 ? storedCommits(repository) : named;
  const commits = await checkCommits(context, repository, checked, metadataOnly);
  const isNeeded = names.length === 0 || images.length > 0;
  const found = isNeeded ? await checkEverything(repository, options) : undefined;
  return reportOf(found, commits, bare);
}

/** Pulls commits again, builds their images again where they are damaged, and says what is better and what is left. */
async function repairCommits(
  context: VerbContext,
  repository: Repository,
  named: readonly Named[],
  from: readonly string[],
): Promise<FsckReport> {
  repository.ensureWritable();
  const before = await checkCommits(context, repository, named, false);
  const isDamaged = before.some((one) => one.findings.length > 0);
  if (isDamaged) {
    // A check of commits marks nothing, so the pull must not trust what is stored.
    repository.objects.distrustAll();
    await refetchFrom(context, repository, from);
    await restoreImages(context, repository);
  }
  const rows = isDamaged ? await checkCommits(context, repository, named, false) : before;
  const left = new Set(rows.flatMap(keysOf));
  const repaired = before.flatMap(({ name, findings }) =>
    findings
      .filter((finding) => !left.has(keyOf(name, finding)))
      .map(({ code: kind, detail }) => ({ kind, image: name, detail, usedBy: [], repair: null })),
  );
  return { ...reportOf(undefined, rows, []), repaired, removed: [] };
}

function keysOf({ name, findings }: CommitRow): string[] {
  return findings.map((finding) => keyOf(name, finding));
}

function keyOf(name: string, { code, checksum, detail }: CommitRow['findings'][number]): string {
  return [name, code, checksum, detail].join('\0');
}

function requireFit({ repair, from, metadataOnly }: FsckRequest): void {
  if (from.length > 0 && repair !== true) {
    throw new UsageError('Cannot use --from: expected --repair, too');
  }
  if (repair === true && metadataOnly === true) {
    throw new UsageError('Cannot repair with --metadata-only: a repair must verify contents');
  }
}

function isImage(named: Named | NamedIndex): named is NamedImage | NamedIndex {
  return named.kind === 'image' || named.kind === 'index';
}

/** The check works on tags. An image that was given by its id is checked under one of its names. */
function nameOf(one: NamedImage | NamedIndex, repository: Repository): string {
  if (one.tag !== undefined) return one.tag;
  if (one.kind === 'index') return `@${one.indexDigest}`;
  const { manifestDigest } = one;
  const named = repository.tags.list().find((tag) => tag.manifestDigest === manifestDigest);
  return named?.name ?? `@${manifestDigest}`;
}

/** Builds images of commits that are missing or damaged; a commit that lacks more stays as it is, and the check afterwards says so. */
async function restoreImages({ signal }: VerbContext, repository: Repository): Promise<void> {
  for (const { commit } of storedCommits(repository)) {
    try {
      await restoreCommitImage(repository, commit, { signal });
    } catch (error) {
      if (!isOnecopyError(error) || error.kind === 'host') throw error;
    }
  }
}

/** Every commit that can be opened, whole or in part; of one that cannot the check of its stream says why. */
function storedCommits(repository: Repository): NamedCommit[] {
  const whole = listCommits(repository).map(({ commit, refs: [ref] }) => ({ commit, ref }));
  const partial = listPartialCommits(repository).map(({ commit, name: ref }) => ({ commit, ref }));
  return [...whole, ...partial]
    .filter(({ commit }) => canOpen(repository, commit))
    .map(({ commit, ref }) => ({ kind: 'commit', commit, ref }));
}

function canOpen(repository: Repository, commit: OstreeChecksum): boolean {
  return (openBase(repository, commit) ?? openPartial(repository, commit)) !== undefined;
}

async function checkCommits(
  { signal, onProgress }: VerbContext,
  repository: Repository,
  named: readonly Named[],
  metadataOnly: boolean,
): Promise<CommitRow[]> {
  const verified = new Map<OstreeChecksum, ObjectId>();
  const options = { signal, onProgress, content: !metadataOnly, verified };
  const rows: CommitRow[] = [];
  for (const one of named) {
    if (one.kind !== 'commit') continue;
    const found = await checkCommit(repository, one.ref ?? one.commit, options);
    const findings = found.findings.map((finding) => ({
      ...finding,
      checksum: orNull(finding.checksum),
    }));
    rows.push({ ...found, subpaths: orNull(found.subpaths), findings });
  }
  return rows;
}

/** Checks named bare images: their trees, and the object of every file. */
async function checkBare(
  context: VerbContext,
  repository: Repository,
  named: readonly Named[],
  metadataOnly: boolean,
): Promise<ImageFinding[]> {
  const findings: ImageFinding[] = [];
  for (const one of named) {
    if (one.kind !== 'erofs') continue;
    try {
      using view = await openNamedView(repository, one, context);
      await inTurns(readFiles(view, metadataOnly), context);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      const image = one.ref ?? one.imageId;
      findings.push({
        kind: 'image-check-failed',
        image,
        detail: error.message,
        usedBy: [],
        repair: null,
      });
    }
  }
  return findings;
}

/** Walks an image and, unless only metadata is wanted, reads every file. */
function* readFiles(view: ImageView, metadataOnly: boolean): Steps<void> {
  for (const entry of view.walk(ROOT)) {
    yield;
    if (entry.kind === 'file' && !metadataOnly) for (const _ of view.read(entry)) yield;
  }
}

function reportOf(
  done: CheckReport | RepairReport | undefined,
  commits: readonly CommitRow[],
  bare: readonly ImageFinding[],
): FsckReport {
  const repair = done !== undefined && 'after' in done ? done : undefined;
  const found = done !== undefined && 'after' in done ? done.after : done;
  const findings = [...(found?.findings ?? []).map(withUses).map(withRepair), ...bare];
  return {
    ok: findings.length === 0 && commits.every((one) => one.findings.length === 0),
    repository: orNull(found?.repository),
    tags: found?.tags ?? { imagesChecked: 0, imagesCorrupted: 0 },
    findings,
    commits,
    repaired: repair === undefined ? null : repair.repaired.map(withUses).map(withRepair),
    removed: repair === undefined ? null : repair.removed.map(withUses),
    notChecked: found?.notChecked ?? ['objects that only other images use'],
  };
}

function withRepair<Finding extends { readonly repair: string | undefined }>(finding: Finding) {
  return { ...finding, repair: orNull(finding.repair) };
}

function withUses<Finding extends { readonly usedBy: readonly ObjectUse[] }>(finding: Finding) {
  const usedBy = finding.usedBy.map(({ image, path, part }) => ({
    image,
    path: orNull(path),
    part: orNull(part),
  }));
  return { ...finding, usedBy };
}
