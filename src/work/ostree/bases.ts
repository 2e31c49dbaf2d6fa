import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import { type OpenedCommit, tryOpenCommit } from './open.ts';

/**
 * A stored commit that spares a pull some transfers, or undefined. One that is damaged is no base and no result: it is pulled anew,
 * and its stream replaced.
 */
export function openBase(
  repository: Repository,
  checksum: OstreeChecksum,
): OpenedCommit | undefined {
  try {
    return tryOpenCommit(repository, checksum);
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}
