/**
 * Verbs as values: what people ask for, one file each. Every face is a loop over this table.
 *
 *     VERBS ─ load() ─▶ Verb { request, report, examples, plan, run } ─▶ report, or a typed error
 *
 * A verb prints nothing and knows no face. Its schemas give the types, the check of requests that come from outside, and the JSON Schema
 * that is published as `onecopy/schemas/*.json`.
 */

export type { AdoptReport } from './adopt.ts';
export type { CopyReport } from './copy.ts';
export type { CpReport, CpRequest } from './cp.ts';
export type { DedupReport } from './dedup.ts';
export type { DfReport } from './df.ts';
export type { DiffReport } from './diff.ts';
export type { DoctorReport } from './doctor.ts';
export type { Entry } from './entry.ts';
export type { ExportReport } from './export.ts';
export type { FindReport } from './find.ts';
export type { FsckReport } from './fsck-report.ts';
export type { GcReport } from './gc.ts';
export type { HistoryReport } from './history.ts';
export type { ImageCreateReport } from './image-create.ts';
export type { ImageIdReport } from './image-id.ts';
export type { ImagesReport } from './images.ts';
export type { InitReport } from './init.ts';
export type { InspectReport } from './inspect.ts';
export type { InspectFormatReport } from './inspect-format.ts';
export type { LoginReport } from './login.ts';
export type { LogoutReport } from './logout.ts';
export type { LsReport } from './ls.ts';
export type { MountReport } from './mount.ts';
export type { OstreeApplyDeltaReport } from './ostree-apply-delta.ts';
export type { OstreeCommitReport } from './ostree-commit.ts';
export type { OstreeExportReport } from './ostree-export.ts';
export type { OstreeListRefsReport } from './ostree-list-refs.ts';
export type { CommitPlanReport, CommitPullReport } from './ostree-pull-report.ts';
export type { OstreeShowReport } from './ostree-show.ts';
export type { PullReport } from './pull.ts';
export type { PushReport } from './push.ts';
export type { ReferrersReport } from './referrers.ts';
export type { RmReport } from './rm.ts';
export type { StatReport } from './stat.ts';
export { VERB_GROUPS, VERBS, type VerbRow } from './table.ts';
export type { TagReport } from './tag.ts';
export type { TagsReport } from './tags.ts';
export type { TreeReport } from './tree.ts';
export type { UmountReport } from './umount.ts';
export type { UnifiedEnableReport } from './unified/enable.ts';
export type { UnifiedFsckReport } from './unified/fsck.ts';
export type { UnifiedImagesReport } from './unified/images.ts';
export type { UnifiedPruneReport } from './unified/prune.ts';
export type { UnifiedPullVerbReport } from './unified/pull.ts';
export type { UnifiedRelabelReport } from './unified/relabel.ts';
export type { UnifiedStatusReport } from './unified/status.ts';
export type { UnifiedSyncReport } from './unified/sync.ts';
export type { UntagReport } from './untag.ts';
export { type Example, optionName, type Verb, type VerbContext } from './verb.ts';
export type { WhyReport } from './why.ts';
