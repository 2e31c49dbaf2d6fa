import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps, turnTaker } from '#base/flow';
import { METADATA_MAX_BYTES, type MetadataKind, requireRefName, walkCommit } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import {
  initOstreeRepo,
  type OstreeMode,
  type OstreeRepo,
  type OstreeTransaction,
  openOstreeRepo,
  requireFit,
  type TransactionReport,
} from '#stores/ostree';
import { COMMITMETA_REF, type OpenedCommit, openStoredInSteps } from '#work/commits';

/** Options for writing a commit to an OSTree repository. */
export interface ExportCommitOptions extends OperationOptions {
  /** Refs below `refs/heads` to set to the commit. */
  readonly refs?: readonly string[] | undefined;
  /** Create a missing repository in this mode. Without it, a missing repository is an error. */
  readonly createMode?: OstreeMode | undefined;
}

/** What was written. */
export interface ExportCommitReport extends TransactionReport {
  /** The written paths of a partial commit; undefined for a complete commit. */
  readonly subpaths: readonly string[] | undefined;
  readonly commit: OstreeChecksum;
  readonly path: string;
  readonly mode: OstreeMode;
  /** True if this call created the repository. */
  readonly created: boolean;
  readonly refs: readonly string[];
}

/** Objects between two progress events. */
const PROGRESS_EVERY = 256;
const PROGRESS_ID = 'export';
/** Files up to this size are written from memory if they cannot be cloned, in bytes. */
const WHOLE_FILE_BYTES = 1 << 20;

/**
 * Writes a stored commit to an OSTree repository of mode archive, bare, bare-user or bare-user-only: everything that it reaches, its
 * detached metadata, then refs. Contents share extents with the objects of the source if the filesystem supports it; all objects are
 * verified while they are written. Nothing is visible before everything is synced, and nothing is written if the mode cannot store the
 * commit. A partial commit is marked as partial in the target.
 * @throws as `openCommit`; NotFoundError OSTREE_REPO_NOT_FOUND; UnsupportedError OSTREE_FILE_UNFIT, OSTREE_MODE_READ_ONLY;
 * FormatError OSTREE_XATTR_INVALID, OSTREE_REF_INVALID; IntegrityError OSTREE_CHECKSUM_MISMATCH; BusyError REPO_LOCKED; HostError
 */
export async function exportCommit(
  repository: Repository,
  name: string,
  path: string,
  options: ExportCommitOptions = {},
): Promise<ExportCommitReport> {
  const stored = await inTurns(openStoredInSteps(repository, name), options);
  const refs = options.refs ?? [];
  for (const ref of refs) requireRefName(ref);
  using existing = tryOpenTarget(path, options.createMode);
  const mode = existing?.mode ?? options.createMode ?? 'archive';
  // Planned first, so that a refusal leaves no empty repository behind.
  const plan = await inTurns(planExport(stored, mode), options);
  using made = existing === undefined ? initOstreeRepo(path, { mode }) : undefined;
  const target = existing ?? made;
  if (target === undefined) throw new RangeError('A repository is there or was made');
  using transaction = await target.begin(options);
  await writeObjects(repository, stored, plan, transaction, options);
  const detached = stored.namedRefs.get(COMMITMETA_REF);
  if (detached !== undefined) {
    transaction.setDetached(stored.checksum, repository.objects.read(detached, METADATA_MAX_BYTES));
  }
  for (const ref of refs) transaction.setRef(ref, stored.checksum);
  transaction.setPartial(stored.checksum, stored.subpaths !== undefined);
  const report = transaction.commit(options);
  const created = made !== undefined;
  const { checksum: commit, subpaths } = stored;
  return { commit, subpaths, path, mode, created, refs, ...report };
}

interface PlannedObject {
  readonly kind: MetadataKind | 'file';
  readonly checksum: OstreeChecksum;
}

/** Everything that the commit reaches, verified against the stream, and checked against the mode. */
function* planExport(stored: OpenedCommit, mode: OstreeMode): Steps<PlannedObject[]> {
  const { objects, checksum: commit, subpaths } = stored;
  const isWhole = subpaths === undefined;
  const lookup = (checksum: OstreeChecksum, kind: MetadataKind) =>
    isWhole || objects.has(checksum) ? objects.metadata(checksum, kind) : undefined;
  const plan: PlannedObject[] = [];
  for (const { kind, checksum } of walkCommit(commit, lookup, { verify: true })) {
    yield;
    if (!isWhole && !objects.has(checksum)) continue;
    plan.push({ kind, checksum });
    // Names of xattrs must end with a NUL: otherwise libostree cannot check out the files.
    if (kind !== 'file') continue;
    const { header } = objects.file(checksum, { acceptUnterminated: false });
    requireFit(mode, checksum, header);
  }
  return plan;
}

async function writeObjects(
  repository: Repository,
  stored: OpenedCommit,
  plan: readonly PlannedObject[],
  transaction: OstreeTransaction,
  options: OperationOptions,
): Promise<void> {
  const { onProgress } = options;
  const takeTurn = turnTaker(options);
  const files = new FileExporter(repository, stored, transaction);
  onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items', total: plan.length });
  for (const [index, { kind, checksum }] of plan.entries()) {
    await takeTurn();
    if (kind === 'file') await files.write(checksum);
    else transaction.writeMetadata(kind, checksum, stored.objects.metadata(checksum, kind));
    if (index % PROGRESS_EVERY === 0) {
      onProgress?.({ type: 'advanced', id: PROGRESS_ID, done: index });
    }
  }
  onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: plan.length });
}

/**
 * Writes file objects: by reflink if supported; otherwise small files are copied through a buffer, which costs less than copying in the
 * kernel.
 */
class FileExporter {
  readonly #repository: Repository;
  readonly #stored: OpenedCommit;
  readonly #transaction: OstreeTransaction;
  readonly #buffer = new Uint8Array(WHOLE_FILE_BYTES);
  #canClone = true;

  constructor(repository: Repository, stored: OpenedCommit, transaction: OstreeTransaction) {
    this.#repository = repository;
    this.#stored = stored;
    this.#transaction = transaction;
  }

  async write(checksum: OstreeChecksum): Promise<void> {
    const { header, inline, external } = this.#stored.objects.file(checksum);
    // Existing objects are only counted, and not opened.
    if (external === undefined || this.#transaction.has('file', checksum)) {
      await this.#transaction.writeFile(checksum, header, { bytes: inline });
      return;
    }
    using object = this.#repository.objects.open(external);
    if (this.#canClone || object.sizeBytes > WHOLE_FILE_BYTES) {
      const method = await this.#transaction.writeFile(checksum, header, { file: object });
      this.#canClone = this.#canClone && method === 'reflinked';
      return;
    }
    let length = 0;
    for (let count = 1; count > 0 && length < object.sizeBytes; length += count) {
      count = object.read(length, this.#buffer.subarray(length, object.sizeBytes));
    }
    const bytes = this.#buffer.subarray(0, length);
    await this.#transaction.writeFile(checksum, header, { bytes });
  }
}

/** The repository; undefined if it must be created. */
function tryOpenTarget(path: string, createMode: OstreeMode | undefined): OstreeRepo | undefined {
  try {
    return openOstreeRepo(path);
  } catch (error) {
    const isMissing = isOnecopyError(error) && hasCode(error, 'OSTREE_REPO_NOT_FOUND');
    if (!isMissing || createMode === undefined) throw error;
    return undefined;
  }
}
