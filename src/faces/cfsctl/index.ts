/** The output of `cfsctl`, in text and JSON, byte for byte. Source: composefs-rs 0.9.4. */
export {
  type FsckDocument,
  fsckDocument,
  renderFinding,
  renderFsckText,
} from './fsck-report.ts';
export {
  type OciFsckDocument,
  ociFsckDocument,
  renderOciFinding,
  renderOciFsckText,
} from './oci-fsck-report.ts';
