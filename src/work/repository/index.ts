/**
 * Which repository a verb is about: its default places, opening it, and creating it when it is needed and missing.
 */

export {
  type ErofsFormats,
  type ErofsVersion,
  type OpenOptions,
  openRepository,
  Repository,
} from '#stores/composefs';
export { locateRepository, type RepositoryChoice } from './locate.ts';
export {
  type CreateOptions,
  createRepository,
  DEFAULT_ALGORITHM,
  type InitRequest,
  initChosen,
  openChosen,
  openOrCreate,
  type WritableRepository,
} from './open.ts';
