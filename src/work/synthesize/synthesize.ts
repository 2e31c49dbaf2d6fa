import { availableParallelism } from 'node:os';
import type { ContentDigest, OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  computeMetadataChecksum,
  type DirtreeDirectory,
  encodeCommit,
  encodeDirtree,
  requireRefName,
} from '#formats/ostree';
import type { Precedence } from '#formats/selinux';
import type { Reading, Tree, XattrMode } from '#formats/tree';
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
import { buildTree, type OciImage, openOciImage } from '#work/image';
import { readPolicy } from '#work/labels';
import { type ArrangeOptions, arrangeTree } from './arrange.ts';
import { detailsOf, type SynthesizedDetails } from './details.ts';
import { type CommitPlan, type PlannedDirectory, planCommit } from './plan.ts';
import { type ExternalCounts, type StoredFiles, storeFiles } from './store-files.ts';

/** Options of the commit of an image. */
export interface SynthesisOptions extends OperationOptions, ArrangeOptions {
  /** Refs below `refs/heads` to set to the commit. */
  readonly refs?: readonly string[] | undefined;
  /** Create a missing repository in this mode. Without it, a missing repository is an error. */
  readonly createMode?: OstreeMode | undefined;
  /** Whether files share extents with their objects: by default where the filesystem can, else they are copied. */
  readonly reflink?: ReflinkPolicy | undefined;
  /** Largest number of threads (default: number of processors). */
  readonly jobs?: number | undefined;
  /** How layers are read: as the specifications say (default: as the image was built), or as cfsctl does. */
  readonly reading?: Reading | undefined;
  /** `all` keeps what the allowlist of composefs-rs 0.9 drops. */
  readonly xattrs?: XattrMode | 'all' | undefined;
  /** Default `composefs`, which decides ids. */
  readonly labels?: Precedence | undefined;
  /** False: zero-length xattrs, and capabilities that the kernel changes, stay as they are; `ostree fsck` then finds them wrong. */
  readonly normaliseXattrs?: boolean | undefined;
  /** Replaces the metadata and time of onecopy, to reproduce the commit of another program. */
  readonly details?: ((image: OciImage, tree: Tree) => SynthesizedDetails) | undefined;
}

/** Report of the commit of an image. */
export interface SynthesisReport extends TransactionReport {
  readonly commit: OstreeChecksum;
  readonly rootTree: OstreeChecksum;
  readonly rootMeta: OstreeChecksum;
  readonly manifestDigest: ContentDigest;
  readonly path: string;
  readonly mode: OstreeMode;
  /** True when this call made the repository. */
  readonly created: boolean;
  readonly refs: readonly string[];
  /** True if the image has an SELinux policy, whose labels the files get. */
  readonly isLabelled: boolean;
  readonly external: ExternalCounts;
}

/** Most threads: beyond, the disk is the limit. */
const JOBS_MAX = 8;

/**
 * Makes an OSTree commit of a stored OCI image, straight in an OSTree repository: layers are merged, `/etc` moves to `/usr/etc`, files
 * get the labels of the image's own policy, contents share extents with our objects where the filesystem can. The same image gives the
 * same commit, in every mode of repository. Nothing is visible before everything is synced; a second run writes nothing.
 * @throws as `openOciImage`, `buildTree`, `readPolicy`, `planCommit`, `storeFiles`; NotFoundError OSTREE_REPO_NOT_FOUND;
 * FormatError OSTREE_REF_INVALID; UnsupportedError OSTREE_FILE_UNFIT, OSTREE_MODE_READ_ONLY; BusyError REPO_LOCKED; HostError
 */
export async function synthesizeCommit(
  repository: Repository,
  name: string,
  path: string,
  options: SynthesisOptions = {},
): Promise<SynthesisReport> {
  const { refs = [], signal, onProgress, normaliseXattrs = true, labels = 'composefs' } = options;
  for (const ref of refs) requireRefName(ref);
  const image = openOciImage(repository, name);
  const { xattrs, reading } = options;
  const tree = await buildTree(repository, image, { signal, xattrs, reading });
  const labeler = await readPolicy(repository.objects, tree, labels);
  const arranged = arrangeTree(tree, labeler, options);
  const plan = await inTurns(planCommit(tree, arranged, { labeler, normaliseXattrs }), options);
  const { metadata, timestampSec } = (options.details ?? detailsOf)(image, tree);
  const { repo, created } = openTarget(path, options.createMode);
  using target = repo;
  using transaction = await target.begin(options);
  const { reflink = 'auto', jobs = availableParallelism() } = options;
  const how = { repository, transaction, reflink, jobs: Math.min(jobs, JOBS_MAX) };
  const stored = await storeFiles(plan.files, { ...how, signal, onProgress });
  const root = await inTurns(writeTrees(transaction, plan, stored), options);
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
  for (const ref of refs) transaction.setRef(ref, commit);
  const { manifestDigest } = image;
  const ids = { commit, rootTree: root.tree, rootMeta: root.meta, manifestDigest };
  const report = transaction.commit(options);
  const isLabelled = labeler !== undefined;
  const { external } = stored;
  return { ...ids, path, mode: target.mode, created, refs, isLabelled, external, ...report };
}

/** Writes the dirtrees and dirmetas, children first. */
function* writeTrees(
  transaction: OstreeTransaction,
  plan: CommitPlan,
  { checksums }: StoredFiles,
): Steps<Omit<DirtreeDirectory, 'name'>> {
  const write = (kind: 'dirtree' | 'dirmeta', bytes: Uint8Array): OstreeChecksum => {
    const checksum = computeMetadataChecksum(bytes);
    transaction.writeMetadata(kind, checksum, bytes);
    return checksum;
  };
  function* writeOne(planned: PlannedDirectory): Steps<Omit<DirtreeDirectory, 'name'>> {
    const directories: DirtreeDirectory[] = [];
    for (const [name, below] of planned.directories) {
      directories.push({ name, ...(yield* writeOne(below)) });
    }
    const files = planned.files.map(([name, index]) => {
      return { name, checksum: checksums[index] as OstreeChecksum };
    });
    yield;
    const tree = write('dirtree', encodeDirtree({ files, directories }));
    return { tree, meta: write('dirmeta', planned.dirmeta) };
  }
  return yield* writeOne(plan.root);
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
