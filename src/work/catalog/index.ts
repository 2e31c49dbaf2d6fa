/**
 * Names of a repository: finds, lists, adds, removes and opens names of OCI images, OSTree commits and bare EROFS images alike.
 *
 *     name, id, beginning of an id ─▶ findNamed ─▶ image · commit · erofs ─▶ openNamedView ─▶ files
 */
export { type CatalogRow, listNamed } from './list.ts';
export {
  planRemoveNamed,
  planTag,
  type Removed,
  removeNamed,
  requireName,
  type Tagged,
  tagNamed,
  untagNamed,
} from './manage.ts';
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
export {
  computeNamedId,
  createNamedImage,
  dumpNamed,
  ensureNamedImage,
  openNamedView,
  type TreeChoice,
  treeOfNamed,
} from './view.ts';
