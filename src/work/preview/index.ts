/**
 * Preview: the files of an OCI image at its source, as a pull would store them, without storing anything.
 *
 *     source ─▶ layers, verified ─▶ hashes ─▶ tree ─▶ EROFS image ─▶ ImageView
 *            ╰▶ TOC and tar-split ───────────╯           bring: layers again, or ranges of them
 */
export {
  type BroughtContents,
  ImagePreview,
  type PreviewOptions,
  previewImage,
} from './preview.ts';
export type { ScratchContent } from './scratch.ts';
