/**
 * Unified storage: one copy of every byte of an image in three stores of a sysroot, kept in agreement.
 *
 *     source ─▶ composefs/ ─┬─ reflink ─▶ ostree/bootc/storage   (podman)
 *                  ▲        └─ reflink ─▶ ostree/repo            (deployments)
 *                  └── layers already in containers-storage are imported from it
 *
 * The state is `composefs/bootc.json` and a flag in the config of the OSTree repository; it is written last.
 */
export {
  UNIFIED_FINDING_KINDS,
  type UnifiedFinding,
} from './check/findings.ts';
export {
  checkUnified,
  type ImageCheck,
  type UnifiedCheck,
  type UnifiedCheckOptions,
} from './check/fsck.ts';
export {
  type DoneRepair,
  planRepairs,
  REPAIR_STEPS,
  repairUnified,
  type UnifiedRepair,
} from './check/repair.ts';
export { type Deployment, type DeploymentRole, isLive, listDeployments } from './deployments.ts';
export {
  ENABLE_MODES,
  type EnableMode,
  type EnableReport,
  enableUnified,
  planEnable,
} from './enable.ts';
export { type EventListener, fieldsOf, MESSAGE_IDS, type UnifiedEvent } from './journal/events.ts';
export { type JournalPlaces, journalListener, journalPlaces } from './journal/journal.ts';
export { type KeptItem, listKeptFor } from './kept.ts';
export {
  pruneUnified,
  type UnifiedPrune,
  type UnifiedPruneOptions,
} from './prune.ts';
export {
  planUnifiedPull,
  type UnifiedPullOptions,
  unifiedPull,
} from './pull/pull.ts';
export type { UnifiedPullPlan, UnifiedPullReport } from './pull/report.ts';
export { type Binding, readState, type StorageState } from './state.ts';
export { openStores, type Stores } from './stores.ts';
export {
  type Presence,
  readImageCommit,
  type SystemImage,
  surveyImages,
  TAG_PREFIX,
} from './survey.ts';
export { type SyncReport, syncStorage } from './sync.ts';
export { openSysroot, type Sysroot } from './sysroot.ts';
