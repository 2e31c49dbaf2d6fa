/** Checks a repository and its OCI images, and collects garbage. Findings are values; only errors that prevent the check are thrown. */
export {
  checkRepository,
  type Finding,
  type FsckOptions,
  type FsckReport,
  type GcApplyOptions,
  type GcOptions,
  type GcPlan,
  type GcResult,
} from '#stores/composefs';
export {
  type CheckOptions,
  type CheckReport,
  checkEverything,
  type ReportedFinding,
} from './everything.ts';
export { applyGc, collectGarbage, type ForceOption, type MountEffects, planGc } from './gc.ts';
export { encodeGcPlan, parseGcPlan } from './gc-plan.ts';
export { checkOciImages, type OciCheckOptions, type OciCheckReport } from './oci.ts';
export { OCI_FINDING_KINDS, type OciFinding, type OciFindingKind } from './oci-findings.ts';
export {
  type RemovedObject,
  type RepairOptions,
  type RepairReport,
  repairRepository,
} from './repair.ts';
export { findUses, type ObjectUse } from './users.ts';
