/**
 * Checking and cleaning a repository: what is damaged, what nothing reaches any more.
 */
export {
  applyGc,
  checkRepository,
  collectGarbage,
  type Finding,
  type FsckReport,
  type GcPlan,
  type GcResult,
  planGc,
} from '#stores/composefs';
