import { NotFoundError } from '#base/errors';
import { SYSTEM_REPOSITORY, userRepository } from '#stores/composefs';

/** Which repository is meant: a path, the user's or the system's; none of them means the default of the caller. */
export interface RepositoryChoice {
  readonly path?: string | undefined;
  readonly user?: boolean | undefined;
  readonly system?: boolean | undefined;
}

/**
 * Path of the chosen repository. Without a choice it is the system's for root and the user's for everyone else.
 * @throws NotFoundError HOME_UNSET when the user's repository is meant and there is no home directory
 */
export function locateRepository(choice: RepositoryChoice = {}): string {
  if (choice.path !== undefined) return choice.path;
  const system = choice.system === true || (choice.user !== true && process.getuid?.() === 0);
  if (system) return SYSTEM_REPOSITORY;
  const home = process.env['HOME'];
  if (home === undefined || home === '') {
    throw new NotFoundError(
      'HOME_UNSET',
      "Cannot find the user's repository: HOME is not set",
      { variable: 'HOME' },
      { hint: 'name the repository with --repo PATH' },
    );
  }
  return userRepository(home);
}
