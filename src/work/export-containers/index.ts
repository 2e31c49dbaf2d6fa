/**
 * Images out of the repository into containers-storage, by reflink: podman has them as if it had pulled them.
 *
 *     image ─┬▶ entries ─▶ files of layers (here)            ─┬▶ records, last
 *            └▶ tars, verified ─▶ tar-splits (in a thread)   ─┘
 */
export {
  type ContainersExportOptions,
  type ContainersExportReport,
  type ExportedStoreLayer,
  exportToContainers,
} from './export.ts';
export { storedName } from './stored-name.ts';
