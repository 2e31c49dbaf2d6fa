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

/** Default algorithm of a new repository, the same as in `cfsctl init`. */
export const DEFAULT_ALGORITHM: VerityAlgorithm = 'sha512';

/** Options for the creation of a missing repository. */
export interface CreateOptions extends OpenOptions {
  /** False refuses to create a missing repository (default true). */
  readonly mayInit?: boolean;
  readonly formats?: ErofsFormats;
  /** Receives the warning about a new repository without fs-verity (default: a progress note). */
  readonly onWarning?: ((text: string) => void) | undefined;
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
 * Opens a repository for a verb that writes, and creates it if it is missing: with fs-verity if the filesystem supports it, otherwise
 * without, with one warning.
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

/** Opens an existing repository; undefined when there is none and `tolerant`. */
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

/** Creates a repository, with fs-verity where possible. `insecure: true` does not use fs-verity, `requireVerity` requires it. */
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
  warnOfMissingVerity(path, options);
  return (await initRepository(path, { ...config, insecure: true }, options)).repository;
}

function warnOfMissingVerity(path: string, { onProgress, onWarning }: CreateOptions): void {
  const note = (text: string) => onProgress?.({ type: 'note', text });
  (onWarning ?? note)(
    `Creating ${path} without fs-verity: this filesystem does not support it, so the kernel does not verify reads. ` +
      'Objects are verified when they are written, and by `onecopy fsck`. For fs-verity, use ext4 with the verity feature, ' +
      'btrfs, or XFS on a kernel that supports it.',
  );
}

async function resetIfPresent(path: string, options: OperationOptions): Promise<void> {
  try {
    await resetMetadata(path, options);
  } catch (error) {
    if (!hasCode(error, 'REPO_NOT_FOUND')) throw error;
  }
}

/** Options of `initChosen`. Absent options are not compared with an existing repository. */
export interface InitRequest extends OperationOptions, Pick<CreateOptions, 'onWarning'> {
  /** For example `fsverity-sha512-12`. */
  readonly algorithmId?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly requireVerity?: boolean | undefined;
  /** EROFS versions to write, the default first; empty for the default. */
  readonly versions?: readonly (0 | 1 | 2)[];
  /** Deletes every image, name and stream of an existing repository, keeps its objects, and creates the repository again. */
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
  const { signal, onProgress, onWarning } = request;
  const options = { ...asked, signal, onProgress, onWarning };
  if (request.resetMetadata === true) await resetIfPresent(path, options);
  // After a reset, the directory looks like an old repository. It must not be upgraded, but created with the given options.
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
