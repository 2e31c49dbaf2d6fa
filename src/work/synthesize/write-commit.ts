import { availableParallelism } from 'node:os';
import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  computeMetadataChecksum,
  type DirtreeDirectory,
  encodeCommit,
  encodeDirtree,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import {
  initOstreeRepo,
  type OstreeMode,
  type OstreeRepo,
  type OstreeTransaction,
  openOstreeRepo,
  type ReflinkPolicy,
  type TransactionReport,
} from '#stores/ostree';
import type { SynthesizedDetails } from './details.ts';
import { type CommitTrees, type PlannedDirectory, type PlannedFile, planCommit } from './plan.ts';
import { type ExternalCounts, storeWhilePlanning } from './store-files.ts';

/** The commit of an image, as planned before anything is written. */
export interface PlannedCommit {
  readonly trees: CommitTrees;
  readonly details: SynthesizedDetails;
  /** Additional commits, one for each additional tree. */
  readonly layers: readonly { readonly ref: string; readonly details: SynthesizedDetails }[];
}

/** Destination and options. */
export interface WriteOptions extends OperationOptions {
  readonly refs?: readonly string[] | undefined;
  readonly createMode?: OstreeMode | undefined;
  readonly reflink?: ReflinkPolicy | undefined;
  readonly jobs?: number | undefined;
}

/** Result of writing. */
export interface WrittenCommit extends TransactionReport {
  readonly commit: OstreeChecksum;
  readonly rootTree: OstreeChecksum;
  readonly rootMeta: OstreeChecksum;
  readonly path: string;
  readonly mode: OstreeMode;
  /** True when this call created the repository. */
  readonly created: boolean;
  /** Refs of the image; layers have their own refs. */
  readonly refs: readonly string[];
  /** True if the image has an SELinux policy, whose labels are set on the files. */
  readonly isLabelled: boolean;
  readonly external: ExternalCounts;
}

/** Maximum number of threads: with more, the disk is the limit. */
const JOBS_MAX = 8;

/**
 * Writes all objects, the commits and the refs. Nothing is visible before everything is synced.
 * @throws as `storeWhilePlanning`; NotFoundError OSTREE_REPO_NOT_FOUND; UnsupportedError OSTREE_FILE_UNFIT, OSTREE_MODE_READ_ONLY; BusyError
 * REPO_LOCKED; HostError; the reason of `signal`
 */
export async function writeCommit(
  repository: Repository,
  { trees, details, layers }: PlannedCommit,
  path: string,
  options: WriteOptions,
): Promise<WrittenCommit> {
  const { refs = [], signal, onProgress } = options;
  const { repo, created } = openTarget(path, options.createMode);
  using target = repo;
  using transaction = await target.begin(options);
  const { reflink = 'auto', jobs = availableParallelism() } = options;
  const about = trees.tree.leaves.length;
  const how = { repository, transaction, reflink, jobs: Math.min(jobs, JOBS_MAX), about };
  const files: PlannedFile[] = [];
  const { planned, stored } = await storeWhilePlanning(planCommit(trees, files), files, {
    ...how,
    signal,
    onProgress,
  });
  const { checksums, external } = stored;
  const [root, ...others] = await inTurns(writeTrees(transaction, planned, checksums), options);
  if (root === undefined) throw new RangeError('A plan has a tree');
  const commit = stageCommit(transaction, root, details);
  for (const ref of refs) transaction.setRef(ref, commit);
  for (const [at, layer] of layers.entries()) {
    const tree = others[at];
    if (tree !== undefined) {
      transaction.setRef(layer.ref, stageCommit(transaction, tree, layer.details));
    }
  }
  const ids = { commit, rootTree: root.tree, rootMeta: root.meta };
  const report = transaction.commit(options);
  const isLabelled = trees.labeler !== undefined;
  return { ...ids, path, mode: target.mode, created, refs, isLabelled, external, ...report };
}

type Ids = Omit<DirtreeDirectory, 'name'>;

function stageCommit(
  transaction: OstreeTransaction,
  root: Ids,
  { metadata, timestampSec }: SynthesizedDetails,
): OstreeChecksum {
  const bytes = encodeCommit({
    metadata,
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec,
    rootTree: root.tree,
    rootMeta: root.meta,
  });
  const commit = computeMetadataChecksum(bytes);
  transaction.writeMetadata('commit', commit, bytes);
  transaction.setPartial(commit, false);
  return commit;
}

/** Writes the dirtrees and dirmetas of all trees, children first. */
function* writeTrees(
  transaction: OstreeTransaction,
  planned: readonly PlannedDirectory[],
  checksums: readonly OstreeChecksum[],
): Steps<readonly Ids[]> {
  const write = (kind: 'dirtree' | 'dirmeta', bytes: Uint8Array): OstreeChecksum => {
    const checksum = computeMetadataChecksum(bytes);
    transaction.writeMetadata(kind, checksum, bytes);
    return checksum;
  };
  function* writeOne(one: PlannedDirectory): Steps<Ids> {
    const directories: DirtreeDirectory[] = [];
    for (const [name, below] of one.directories) {
      directories.push({ name, ...(yield* writeOne(below)) });
    }
    const files = one.files.map(([name, index]) => {
      return { name, checksum: checksums[index] as OstreeChecksum };
    });
    yield;
    const tree = write('dirtree', encodeDirtree({ files, directories }));
    return { tree, meta: write('dirmeta', one.dirmeta) };
  }
  const roots: Ids[] = [];
  for (const root of planned) roots.push(yield* writeOne(root));
  return roots;
}

function openTarget(
  path: string,
  createMode: OstreeMode | undefined,
): { readonly repo: OstreeRepo; readonly created: boolean } {
  try {
    return { repo: openOstreeRepo(path), created: false };
  } catch (error) {
    const isMissing = isOnecopyError(error) && hasCode(error, 'OSTREE_REPO_NOT_FOUND');
    if (!isMissing || createMode === undefined) throw error;
  }
  return { repo: initOstreeRepo(path, { mode: createMode }), created: true };
}
