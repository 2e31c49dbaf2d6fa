/**
 * Decides whether this host accepts an image, before anything of it is stored: reads policy.json, registries.d and keys, fetches the
 * signatures of the image, and reports the accepting key. Unreadable or unknown content causes a refusal.
 *
 *     openTrust ──► judgeRegistryImage (by tag, by referrer) ─┬─► TrustReport
 *               └─► judgeLocalImage (signature-N of dir:) ────┴─► IMAGE_REJECTED with a class
 */
export { noteAcceptance, readAcceptance } from './acceptance.ts';
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
