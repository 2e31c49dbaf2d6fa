/**
 * Unified storage: one copy of every byte of an image in three stores of a sysroot, kept in agreement.
 *
 *     source ─▶ composefs/ ─┬─ reflink ─▶ ostree/bootc/storage   (podman)
 *                  ▲        └─ reflink ─▶ ostree/repo            (deployments)
 *                  └── what containers-storage has is taken from there
 *
 * The state is `composefs/bootc.json` and a flag in the config of the OSTree repository; it is written last.
 */
export { type Deployment, type DeploymentRole, isLive, listDeployments } from './deployments.ts';
export {
  ENABLE_MODES,
  type EnableMode,
  type EnableReport,
  enableUnified,
  planEnable,
} from './enable.ts';
export { imageReferenceOf } from './names.ts';
export {
  planUnifiedPull,
  type UnifiedPullOptions,
  type UnifiedPullPlan,
  type UnifiedPullReport,
  unifiedPull,
} from './pull.ts';
export { chooseRoute, type Operation, type Route, type RouteInput } from './route.ts';
export { type Binding, readState, type StorageState } from './state.ts';
export { openStores, type Stores } from './stores.ts';
export { type Presence, type SystemImage, surveyImages } from './survey.ts';
export { type SyncReport, syncStorage } from './sync.ts';
export { openSysroot, type Sysroot } from './sysroot.ts';
