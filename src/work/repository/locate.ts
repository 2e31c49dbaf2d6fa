import { NotFoundError } from '#base/errors';
import { outerUid } from '#host';
import { SYSTEM_REPOSITORY, userRepository } from '#stores/composefs';

/** Selection of a repository: a path, that of the user, or that of the system; empty for the default of the caller. */
export interface RepositoryChoice {
  readonly path?: string | undefined;
  readonly user?: boolean | undefined;
  readonly system?: boolean | undefined;
}

/**
 * Path of the selected repository. The default is that of the system for root, and that of the user for others.
 * @throws NotFoundError HOME_UNSET for the repository of the user without a home directory
 */
export function locateRepository(choice: RepositoryChoice = {}): string {
  if (choice.path !== undefined) return choice.path;
  const system = choice.system === true || (choice.user !== true && outerUid() === 0);
  if (system) return SYSTEM_REPOSITORY;
  const home = process.env['HOME'];
  if (home === undefined || home === '') {
    throw new NotFoundError(
      'HOME_UNSET',
      "Cannot find the user's repository: HOME is not set",
      { variable: 'HOME' },
      { hint: 'Set the path of the repository with --repo PATH' },
    );
  }
  return userRepository(home);
}
