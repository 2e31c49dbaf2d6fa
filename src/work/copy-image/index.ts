/**
 * Copying an image between any two places, without a repository: the same bytes under the same digests.
 *
 *     CopySource (registry, layout, archive) ─▶ planCopy ─▶ policy ─▶ blobs ─▶ manifests ─▶ referrers ─▶ tag ─▶ CopyTarget
 */
export {
  type CopiedBlob,
  type CopyMethod,
  type CopyOptions,
  type CopyPreview,
  type CopyReport,
  copyImage,
  judgeAll,
  previewCopy,
} from './copy.ts';
export { type CopyPlan, type PlannedManifest, planCopy } from './plan.ts';
export { type CopyContent, type CopySource, openCopySource } from './source.ts';
