/** Writes stored commits to an OSTree repository. */
export { OSTREE_MODES, type OstreeMode } from '#stores/ostree';
export { type ExportCommitOptions, type ExportCommitReport, exportCommit } from './export.ts';
