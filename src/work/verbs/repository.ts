import { hasCode } from '#base/errors';
import { locateRepository, openChosen, openOrCreate, type Repository } from '#work/repository';
import type { VerbContext } from './verb.ts';

/** Opens the repository of the request. @throws as `openChosen` */
export async function openSelected(context: VerbContext): Promise<Repository> {
  const { repository, signal, onProgress, requireVerity } = context;
  context.detail(`repository ${locateRepository(repository)}`);
  return await openChosen(repository, { signal, onProgress, requireVerity });
}

/**
 * Opens the repository for a verb that also works without a repository, by default the dry run of one that would create it; undefined when it is missing.
 * @throws NotFoundError REPO_NOT_FOUND unless `mayMiss`, by default if none may be created
 */
export async function openIfPresent(
  context: VerbContext,
  mayMiss: boolean = context.mayInit,
): Promise<Repository | undefined> {
  try {
    return await openSelected(context);
  } catch (error) {
    const isMissing = hasCode(error, 'REPO_NOT_FOUND') || hasCode(error, 'REPO_METADATA_MISSING');
    if (!isMissing || !mayMiss) throw error;
    return undefined;
  }
}

/** Opens the repository for a verb that writes to it, and creates it if it is missing. @throws as `openOrCreate` */
export async function openToFill(context: VerbContext): Promise<Repository> {
  const { repository, signal, onProgress, mayInit, requireVerity, warn: onWarning } = context;
  const options = { signal, onProgress, onWarning, mayInit, requireVerity };
  return (await openOrCreate(repository, options)).repository;
}
