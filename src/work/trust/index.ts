/**
 * Whether this host accepts an image, asked before anything of it is stored: reads policy.json, registries.d and keys, fetches the signatures
 * that lie beside the image, and says which key accepted it. Whatever cannot be read or is not understood refuses.
 *
 *     openTrust ──► judgeRegistryImage (by tag, by referrer) ─┬─► TrustReport
 *               └─► judgeLocalImage (signature-N of dir:) ────┴─► IMAGE_REJECTED with a class
 */
export type { AttachedManifest, AttachmentRequest, AttachmentStore } from './attachments.ts';
export {
  type JudgeOptions,
  judgeLocalImage,
  judgeRegistryImage,
  type LocalQuestion,
  type RegistryQuestion,
} from './judge.ts';
export { createLocalJudge, type ImageJudge } from './local-judge.ts';
export { type HostTrust, openTrust, type TrustOptions } from './open.ts';
export type { TrustReport } from './report.ts';
