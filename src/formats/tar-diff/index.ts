/**
 * tar-diff: how a layer of a new image differs from the files of an old one, as deltas of OCI images have it.
 *
 *     diff ─ zstd ─ operations ─┬─ data ──────────────▶ tar
 *     old files ────────────────┴─ copied, added to ──▶
 */
export { applyTarDiff, type OldFile, type OldFiles } from './apply.ts';
