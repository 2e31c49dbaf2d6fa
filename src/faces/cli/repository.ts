import { hasCode } from '#base/errors';
import { locateRepository, openChosen, type Repository } from '#work/repository';
import type { Context } from './context.ts';

/** Opens the repository that the global options select. */
export async function openSelected(context: Context): Promise<Repository> {
  const { out, selection, operation, requireVerity } = context;
  out.detail(`repository ${locateRepository(selection)}`);
  return await openChosen(selection, { ...operation, requireVerity });
}

/**
 * Opens the repository for a verb that can do without, by default the dry run of one that would create it; undefined when it is missing.
 * @throws NotFoundError REPO_NOT_FOUND unless it `mayMiss`, by default with `--no-init`
 */
export async function openIfPresent(
  context: Context,
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
