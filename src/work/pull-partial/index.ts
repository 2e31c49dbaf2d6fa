/**
 * Pulling a layer in parts: what of it is here, what is to be fetched, whether that is cheaper than its blob, and the tar that
 * the parts make.
 *
 *     descriptor ─▶ planMetadata ─▶ TOC and tar-split ─▶ planLayer ─▶ nothing | ranges | the whole blob, and why
 *                                                            ▲ LocalIndex: files and chunks that are here
 *     plan, tar-split, local sources, ranges ─▶ assembleLayer ─▶ the exact tar, every chunk verified
 */
export {
  type AssembledBytes,
  type AssembledLayer,
  type AssembleOptions,
  assembleLayer,
  type LocalMiss,
  type LocalReader,
} from './assemble.ts';
export type { RangeAbility, Transfer, TransferCost } from './cost.ts';
export {
  type ContentBytes,
  type KeptMetadata,
  type MetadataPlan,
  type PartialPlan,
  type PlanTerms,
  type PullStrategy,
  planLayer,
  planMetadata,
  type WholePlan,
} from './plan.ts';
export type { FilePlan, FileSegment, LocalContent, LocalIndex } from './segments.ts';
