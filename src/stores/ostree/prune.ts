import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  type MetadataKind,
  type ObjectKind,
  ostreeObjectPath,
  parseCommit,
  walkCommit,
} from '#formats/ostree';
import { lockRepository } from './lock.ts';
import type { OstreeRepo } from './repo.ts';

/** Options of a prune. */
export interface PruneOptions extends OperationOptions {
  /** Commits to keep beside those of the refs. */
  readonly keep?: Iterable<OstreeChecksum> | undefined;
  /** Refs below `refs/heads` that are taken to be gone, for a plan. */
  readonly without?: ReadonlySet<string> | undefined;
  /** Counts, and removes nothing. */
  readonly isPlan?: boolean | undefined;
}

/** Kinds that go when nothing reaches them. Others are small, and what they belong to is not known from commits alone. */
const SWEPT: ReadonlySet<ObjectKind> = new Set([
  'commit',
  'commitmeta',
  'dirtree',
  'dirmeta',
  'file',
]);

/** What a prune removed, or would remove. */
export interface PruneReport {
  readonly commits: number;
  readonly objects: number;
  /** Sizes of the files that were removed. Extents that other files share are not free afterwards. */
  readonly sizeBytes: number;
  readonly kept: number;
}

/**
 * Removes every object that no ref and none of `keep` reaches, under the exclusive lock; parents count as reached, as far as they are there.
 * A commit without all of its metadata, other than one that is marked partial, stops the prune before anything is removed. A signal acts
 * until the first object is removed.
 * @throws BusyError REPO_LOCKED; NotFoundError OSTREE_OBJECT_MISSING; as `OstreeRepo.readMetadata`
 */
export async function pruneOstree(
  repo: OstreeRepo,
  options: PruneOptions = {},
): Promise<PruneReport> {
  using _lock =
    repo.config.locking && options.isPlan !== true
      ? await lockRepository(repo.root, 'exclusive', repo.config.lockTimeoutSec, options)
      : undefined;
  const reached = await inTurns(markAll(repo, rootsOf(repo, options)), options);
  options.signal?.throwIfAborted();
  return await inTurns(sweep(repo, reached, options.isPlan === true), {});
}

function rootsOf(repo: OstreeRepo, { keep = [], without }: PruneOptions): Set<OstreeChecksum> {
  const refs = repo.refs.list((broken) => {
    throw broken.error;
  });
  const live = refs.filter(({ space, name }) => space.kind !== 'heads' || !without?.has(name));
  return new Set([...live.map(({ checksum }) => checksum), ...keep]);
}

function* markAll(repo: OstreeRepo, roots: ReadonlySet<OstreeChecksum>): Steps<Set<string>> {
  const reached = new Set<string>();
  const lookup = (checksum: OstreeChecksum, kind: MetadataKind) =>
    repo.readMetadata(kind, checksum);
  const commits = new Set(roots);
  // A set gives what is added meanwhile, too.
  for (const commit of commits) {
    const parent = parentOf(repo, commit);
    if (parent !== undefined) commits.add(parent);
    const isPartial = repo.state.partialReason(commit) !== undefined;
    for (const { kind, checksum, isMissing } of walkCommit(commit, lookup)) {
      yield;
      if (isMissing && !isPartial) throw missing(commit, kind, checksum);
      reached.add(keyOf(kind, checksum));
      if (kind === 'commit') reached.add(keyOf('commitmeta', checksum));
    }
  }
  return reached;
}

/** The parent of a commit, if the repository has it. */
function parentOf(repo: OstreeRepo, commit: OstreeChecksum): OstreeChecksum | undefined {
  const bytes = repo.readMetadata('commit', commit);
  const parent = bytes === undefined ? undefined : parseCommit(bytes).parent;
  return parent !== undefined && repo.has('commit', parent) ? parent : undefined;
}

function* sweep(
  repo: OstreeRepo,
  reached: ReadonlySet<string>,
  isPlan: boolean,
): Steps<PruneReport> {
  const counts = { commits: 0, objects: 0, sizeBytes: 0, kept: 0 };
  // Commits go first: after a crash there is no commit that lacks objects.
  for (const wanted of ['commit', 'other'] as const) {
    for (const { kind, checksum } of repo.listObjects()) {
      yield;
      if ((kind === 'commit') !== (wanted === 'commit')) continue;
      if (!SWEPT.has(kind) || reached.has(keyOf(kind, checksum))) {
        counts.kept += 1;
        continue;
      }
      const path = ostreeObjectPath(checksum, kind, repo.mode === 'archive');
      const sizeBytes = repo.root.lstat(path)?.sizeBytes ?? 0;
      if (!isPlan && !repo.root.unlink(path)) continue;
      if (!isPlan && kind === 'commit') repo.state.clearPartial(checksum);
      counts.objects += 1;
      counts.sizeBytes += sizeBytes;
      if (kind === 'commit') counts.commits += 1;
    }
  }
  return counts;
}

function keyOf(kind: ObjectKind, checksum: OstreeChecksum): string {
  return `${kind} ${checksum}`;
}

function missing(commit: OstreeChecksum, kind: string, checksum: OstreeChecksum): NotFoundError {
  return new NotFoundError(
    'OSTREE_OBJECT_MISSING',
    `Cannot prune: commit ${commit} lacks the ${kind} ${checksum}, so what it needs is not known`,
    { kind, checksum },
    { hint: 'Nothing was removed. Repair the commit, or delete its refs, then prune again' },
  );
}
