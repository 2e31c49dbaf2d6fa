import type { ByteRange, RangeAbility } from '#base/flow';
import type { Transfer, TransferCost } from './cost.ts';
import type { FilePlan } from './segments.ts';

/** Maximum number of ranges in a request: with more, the header exceeds the 4 KiB that some servers accept. */
export const RANGES_MAX = 64;
/** Overhead of a part of a multipart response, in bytes: a boundary and two headers. Source: RFC 9110, section 14.6. */
export const PART_BYTES = 160;
/** The longest gap that is not worth a separate part, in bytes: its headers, and another seek of the server. */
const PART_GAP_BYTES = 512;

/** The ranges to fetch, ascending, and what they cost with this server. */
export interface FetchPlan {
  readonly ranges: readonly ByteRange[];
  readonly transfer: Transfer;
}

/** The ranges of all remote segments, in order; chunks that follow each other in the blob are one range. */
export function remoteRanges<S>(plans: readonly FilePlan<S>[]): ByteRange[] {
  const ranges: { offset: number; length: number }[] = [];
  for (const { segments } of plans) {
    for (const segment of segments) {
      if (segment.kind !== 'remote') continue;
      for (const { offset, lengthBytes: length } of segment.chunks) {
        const last = ranges.at(-1);
        if (last !== undefined && last.offset + last.length === offset) last.length += length;
        else ranges.push({ offset, length });
      }
    }
  }
  return ranges;
}

/**
 * Joins ranges whose gap costs less than a separate request or part, and counts the resulting transfer. Ranges are not joined to shorten a
 * header: that would fetch bytes that are available locally.
 */
export function planFetch(
  wanted: readonly ByteRange[],
  ability: RangeAbility,
  cost: TransferCost,
): FetchPlan {
  const ranges = joinRanges(wanted, cheapGap(ability, cost));
  return { ranges, transfer: transferOf(ranges, ability) };
}

/** The longest gap that is cheaper to fetch than to skip, in bytes. */
export function cheapGap(ability: RangeAbility, cost: TransferCost): number {
  if (ability === 'multi') return PART_GAP_BYTES;
  return Math.floor((cost.requestMs * cost.bytesPerMs) / Math.max(cost.connections, 1));
}

/** Joins ranges in ascending order over gaps of at most `gapBytes`. */
export function joinRanges(wanted: readonly ByteRange[], gapBytes: number): ByteRange[] {
  const ranges: { offset: number; length: number }[] = [];
  for (const { offset, length } of wanted) {
    const last = ranges.at(-1);
    if (last !== undefined && offset - (last.offset + last.length) <= gapBytes) {
      last.length = offset + length - last.offset;
    } else ranges.push({ offset, length });
  }
  return ranges;
}

/** Requests and body bytes of ranges. The response to a single range has only that range as its body. */
export function transferOf(ranges: readonly ByteRange[], ability: RangeAbility): Transfer {
  const content = ranges.reduce((sum, { length }) => sum + length, 0);
  if (ability !== 'multi') return { requests: ranges.length, bytes: content };
  const requests = Math.ceil(ranges.length / RANGES_MAX);
  const singles = ranges.length % RANGES_MAX === 1 ? 1 : 0;
  return { requests, bytes: content + (ranges.length - singles) * PART_BYTES };
}
