/**
 * Makes equal files of stores share their blocks, in place: names, owners and records stay as they are, and the kernel compares the bytes
 * before it shares them.
 *
 *     stores ─▶ files of one size ─▶ sets that share their extents already ─▶ sets of equal content ─▶ FIDEDUPERANGE onto one of them
 *
 * The work runs in a thread of its own, in blocking calls.
 */
export { dedupStores } from './dedup.ts';
export type { DedupReport, DedupRequest } from './share.ts';
