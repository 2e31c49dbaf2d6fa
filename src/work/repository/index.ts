/** The repository of a verb: default paths, opening it, and creating it if it is missing. */

export {
  type ErofsFormats,
  type ErofsVersion,
  ensureRepository,
  initRepository,
  type OpenOptions,
  openRepository,
  Repository,
  readRepositoryAlgorithm,
  resetMetadata,
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
