/**
 * Names of a repository: finds, lists, adds, removes and opens names of OCI images, OSTree commits and bare EROFS images alike.
 *
 *     name, id, beginning of an id ─▶ findNamed ─▶ image · commit · erofs ─▶ openNamedView ─▶ files
 */
export { type CatalogRow, listNamed } from './list.ts';
export {
  planRemoveAllNamed,
  planTag,
  type Removed,
  removeAllNamed,
  requireName,
  type Tagged,
  tagNamed,
  untagNamed,
} from './manage.ts';
export { mountImage } from './mount.ts';
export {
  findNamed,
  findWhole,
  type Named,
  type NamedCommit,
  type NamedErofs,
  type NamedImage,
  type NamedIndex,
  type PlatformChoice,
} from './named.ts';
export { checkNewName, TRANSPORT_PREFIX, targetOf, warningOfTwins } from './new-name.ts';
export {
  computeNamedId,
  createNamedImage,
  dumpNamed,
  ensureNamedImage,
  openNamedView,
  type TreeChoice,
  treeOfNamed,
} from './view.ts';
