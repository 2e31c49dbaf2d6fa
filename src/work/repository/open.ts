import { hasCode } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { parseAlgorithmId, type VerityAlgorithm } from '#formats/fsverity';
import {
  type ErofsFormats,
  initRepository,
  type OpenOptions,
  openRepository,
  type Repository,
  resetMetadata,
} from '#stores/composefs';
import { locateRepository, type RepositoryChoice } from './locate.ts';

/** Algorithm of a repository that nobody chose one for; `cfsctl init` has the same default. */
export const DEFAULT_ALGORITHM: VerityAlgorithm = 'sha512';

/** How a repository that is missing is created. */
export interface CreateOptions extends OpenOptions {
  /** False refuses to create a missing repository (default true). */
  readonly mayInit?: boolean;
  readonly formats?: ErofsFormats;
}

/** A repository that is open for writing. */
export interface WritableRepository {
  readonly repository: Repository;
  readonly path: string;
  /** True when this call created it. */
  readonly created: boolean;
}

/** Opens an existing repository. @throws as `openRepository` of the store */
export async function openChosen(
  choice: RepositoryChoice,
  options: OpenOptions = {},
): Promise<Repository> {
  return await openRepository(locateRepository(choice), options);
}

/**
 * Opens a repository for a verb that writes, and creates it when it is missing: with fs-verity where the filesystem
 * has it, else without, which is said once as a progress note.
 * @throws NotFoundError REPO_NOT_FOUND with `mayInit: false`; UnsupportedError FSVERITY_UNSUPPORTED with `requireVerity`
 */
export async function openOrCreate(
  choice: RepositoryChoice,
  options: CreateOptions = {},
): Promise<WritableRepository> {
  const path = locateRepository(choice);
  const existing = await tryOpen(path, options, options.mayInit !== false);
  if (existing !== undefined) return { repository: existing, path, created: false };
  const repository = await createRepository(path, options);
  return { repository, path, created: true };
}

/** Opens what is there; undefined when there is no repository yet and `tolerant`. */
async function tryOpen(
  path: string,
  options: OpenOptions,
  tolerant: boolean,
): Promise<Repository | undefined> {
  try {
    return await openRepository(path, options);
  } catch (error) {
    const missing = hasCode(error, 'REPO_NOT_FOUND') || hasCode(error, 'REPO_METADATA_MISSING');
    if (tolerant && missing) return undefined;
    throw error;
  }
}

/** Creates a repository, with fs-verity where possible. `insecure: true` does not try, `requireVerity` insists. */
export async function createRepository(path: string, options: CreateOptions): Promise<Repository> {
  const config = {
    algorithm: options.algorithm ?? DEFAULT_ALGORITHM,
    ...(options.formats === undefined ? {} : { formats: options.formats }),
  };
  if (options.insecure === true) {
    return (await initRepository(path, { ...config, insecure: true }, options)).repository;
  }
  try {
    return (await initRepository(path, { ...config, insecure: false }, options)).repository;
  } catch (error) {
    if (options.requireVerity === true || !hasCode(error, 'FSVERITY_UNSUPPORTED')) throw error;
  }
  noteMissingVerity(path, options);
  return (await initRepository(path, { ...config, insecure: true }, options)).repository;
}

function noteMissingVerity(path: string, options: OperationOptions): void {
  options.onProgress?.({
    type: 'note',
    text:
      `Creating ${path} without fs-verity: this filesystem has none, so the kernel will not check what is read. ` +
      'Objects are verified when they are written and by `onecopy fsck`. To get it: ext4 with the verity feature, ' +
      'btrfs, or XFS on a kernel that has it.',
  });
}

async function resetIfPresent(path: string, options: OperationOptions): Promise<void> {
  try {
    await resetMetadata(path, options);
  } catch (error) {
    if (!hasCode(error, 'REPO_NOT_FOUND')) throw error;
  }
}

/** What `initChosen` was asked for; what is absent is not compared with an existing repository. */
export interface InitRequest extends OperationOptions {
  /** For example `fsverity-sha512-12`. */
  readonly algorithmId?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly requireVerity?: boolean | undefined;
  /** EROFS versions to write, the default first; empty for the default. */
  readonly versions?: readonly (0 | 1 | 2)[];
  /** Forgets every image, name and stream of the repository there, and keeps its objects; then it is made anew. */
  readonly resetMetadata?: boolean | undefined;
}

/**
 * Creates the chosen repository, or verifies that an existing one matches these options.
 * @throws ConflictError REPO_EXISTS when it differs; FormatError FSVERITY_ALGORITHM_INVALID
 */
export async function initChosen(
  choice: RepositoryChoice,
  request: InitRequest = {},
): Promise<WritableRepository> {
  const path = locateRepository(choice);
  const [first, ...extra] = request.versions ?? [];
  const asked = {
    ...(request.algorithmId === undefined
      ? {}
      : { algorithm: parseAlgorithmId(request.algorithmId) }),
    ...(first === undefined ? {} : { formats: { default: first, extra } }),
  };
  const options = { ...asked, signal: request.signal, onProgress: request.onProgress };
  if (request.resetMetadata === true) await resetIfPresent(path, options);
  // What is left after a reset looks like an old repository, which must not be brought up to date but made as asked.
  const repository =
    request.resetMetadata === true
      ? undefined
      : await tryOpen(path, { requireVerity: request.requireVerity, upgrade: true }, true);
  if (repository === undefined) {
    const { insecure, requireVerity } = request;
    const created = await createRepository(path, { ...options, insecure, requireVerity });
    return { repository: created, path, created: true };
  }
  if (asked.algorithm === undefined && asked.formats === undefined) {
    return { repository, path, created: false };
  }
  const config = {
    algorithm: asked.algorithm ?? repository.algorithm,
    formats: asked.formats ?? repository.formats,
    insecure: repository.insecure,
  };
  repository[Symbol.dispose]();
  return { ...(await initRepository(path, config, options)), path };
}
