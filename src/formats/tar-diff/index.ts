/**
 * tar-diff: a layer of a new image as differences to the files of an old image, as used in deltas of OCI images.
 *
 *     diff ─ zstd ─ operations ─┬─ data ──────────────▶ tar
 *     old files ────────────────┴─ copied, added to ──▶
 */
export { applyTarDiff, type OldFile, type OldFiles } from './apply.ts';
