/**
 * `cfsctl` as release 0.9.4 of composefs-rs has it: the same command lines, lines of output, exit codes and bytes on the disk. It always
 * reads images as that release does. Where it fails and we can do better, or where it trusts what can be verified,
 * docs/compatibility.md says so.
 */

export {
  type OciFsckDocument,
  ociFsckDocument,
  renderOciFinding,
  renderOciFsckText,
} from './oci/fsck-report.ts';
export {
  type FsckDocument,
  fsckDocument,
  renderFinding,
  renderFsckText,
} from './repository/fsck-report.ts';
export { runCfsctl } from './run.ts';
export type { Surroundings } from './setting.ts';
export { upstreamInterfaces } from './varlink/interfaces.ts';
