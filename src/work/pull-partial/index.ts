/**
 * Pulling a layer in parts: what of it is here, what is to be fetched, and whether that is cheaper than its blob.
 *
 *     descriptor ─▶ planMetadata ─▶ TOC and tar-split ─▶ planLayer ─▶ nothing | ranges | the whole blob, and why
 *                                                            ▲ LocalIndex: files and chunks that are here
 */
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
