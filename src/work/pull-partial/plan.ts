import type { ByteRange, RangeAbility, RemoteBlob } from '#base/flow';
import type { ChunkedLayer, ChunkedLocation } from '#formats/chunked';
import { addTransfers, NO_TRANSFER, type Transfer, type TransferCost, transferMs } from './cost.ts';
import { joinRanges, planFetch, remoteRanges, transferOf } from './fetch-ranges.ts';
import { type FilePlan, type LocalIndex, planSegments } from './segments.ts';

/** How to choose between parts and the whole blob. */
export type PullStrategy =
  /** The cheaper one. */
  | 'auto'
  /** Always the blob; no TOC is requested. */
  | 'whole'
  /** Ranges, even if the blob is cheaper; the blob only if the server or the TOC makes ranges impossible. */
  | 'partial';

/** Input of a decision. */
export interface PlanTerms {
  readonly strategy: PullStrategy;
  readonly blobBytes: number;
  readonly ability: RangeAbility;
  readonly cost: TransferCost;
  /** Bytes of the beginning of the blob that are kept locally. */
  readonly heldBytes?: number | undefined;
  /** The parts of ranges that are not kept locally; all of them when absent. */
  readonly missing?: ((ranges: readonly ByteRange[]) => readonly ByteRange[]) | undefined;
}

/** Assumed cost of an unknown link: 50 Mbit/s, a server half a continent away. */
const USUAL_LINK = { requestMs: 30, bytesPerMs: 6_000 };
/** Number of parallel requests if each has one range. */
const CONNECTIONS = 4;

/** The terms for a blob, from what is known about the link. */
export function termsOf({ sizeBytes, link }: RemoteBlob, strategy: PullStrategy): PlanTerms {
  const { ability = 'multi', requestMs, bytesPerMs } = link ?? {};
  const cost = {
    requestMs: requestMs ?? USUAL_LINK.requestMs,
    bytesPerMs: bytesPerMs ?? USUAL_LINK.bytesPerMs,
    connections: CONNECTIONS,
  };
  return { strategy, blobBytes: sizeBytes, ability, cost };
}

/** The layer is pulled as a whole blob. */
export interface WholePlan {
  readonly decision: 'whole';
  /** One sentence without full stop. */
  readonly reason: string;
  /** The total transfer of the layer, with TOC and tar-split if they were fetched. */
  readonly transfer: Transfer;
}

/** The layer is assembled from its parts. */
export interface PartialPlan<S> {
  /** `nothing`: all content is available locally. */
  readonly decision: 'partial' | 'nothing';
  readonly reason: string;
  readonly files: readonly FilePlan<S>[];
  /** The ranges to fetch: ascending, without overlaps. */
  readonly ranges: readonly ByteRange[];
  readonly transfer: Transfer;
  /** Content of files by source, in bytes; the sum is all content of the layer. */
  readonly content: ContentBytes;
}

/** Content of files by source, in bytes. */
export interface ContentBytes {
  readonly local: number;
  readonly zeros: number;
  readonly remote: number;
  /** Fetched for an earlier file of the same layer. */
  readonly earlier: number;
}

/** Location of TOC and tar-split. */
export interface MetadataPlan {
  readonly decision: 'metadata';
  readonly ranges: readonly ByteRange[];
  readonly transfer: Transfer;
}

const NO_RANGES = 'the server does not serve ranges';
/** Largest gap between TOC and tar-split that one range bridges: the header of a skippable frame, and data of other writers there. */
const METADATA_GAP_BYTES = 4096;

/**
 * Assembling parts is slower than unpacking a blob: parts are chosen only if they save at least a tenth of its bytes.
 */
const WORTHWHILE = 0.9;

/** Plans the whole blob, with a reason; `spent` is the transfer of TOC and tar-split. */
export function planWhole(terms: PlanTerms, reason: string, spent = NO_TRANSFER): WholePlan {
  return { decision: 'whole', reason, transfer: addTransfers(spent, blobTransfer(terms)) };
}

/** Transfer of the remaining bytes of the blob. */
function blobTransfer({ blobBytes, heldBytes = 0 }: PlanTerms): Transfer {
  const bytes = blobBytes - Math.min(heldBytes, blobBytes);
  return { requests: bytes > 0 ? 1 : 0, bytes };
}

/**
 * Decides before any request whether to request the TOC. A layer that is hardly larger than its TOC and tar-split is pulled whole, and so is any
 * layer of a server without ranges.
 */
export function planMetadata(
  location: ChunkedLocation,
  terms: PlanTerms,
): MetadataPlan | WholePlan {
  const { strategy, ability, blobBytes, cost } = terms;
  if (ability === 'none') return planWhole(terms, NO_RANGES);
  const wanted = [location.toc, location.tarSplit]
    .map(({ offset, lengthBytes: length }) => ({ offset, length }))
    .sort((a, b) => a.offset - b.offset);
  const ranges = joinRanges(wanted, METADATA_GAP_BYTES);
  const transfer = transferOf(terms.missing?.(ranges) ?? ranges, 'single');
  // The content needs at least one more round of requests.
  const leastMs = transferMs(transfer, cost) + cost.requestMs;
  const blob = blobTransfer(terms);
  const isCheaper = leastMs < transferMs(blob, cost) && transfer.bytes < blob.bytes * WORTHWHILE;
  if (strategy === 'auto' && !isCheaper) {
    return planWhole(
      terms,
      `its TOC and tar-split of ${transfer.bytes} bytes cost as much as the blob of ${blobBytes}`,
    );
  }
  return { decision: 'metadata', ranges, transfer };
}

/**
 * Decides how to pull a layer whose TOC and tar-split are known: nothing, parts or the whole blob.
 * `spent` is the transfer of TOC and tar-split; it does not affect the decision, and is only added to the sums.
 */
export function planLayer<S>(
  layer: ChunkedLayer,
  index: LocalIndex<S>,
  spent: Transfer,
  terms: PlanTerms,
): PartialPlan<S> | WholePlan {
  const { strategy, ability, blobBytes, cost } = terms;
  const files = planSegments(layer.files, index);
  const content = contentBytes(files);
  const wanted = remoteRanges(files);
  if (wanted.length === 0) {
    const reason = `all content of ${count(files.length, 'file')} is here`;
    return { decision: 'nothing', reason, files, ranges: [], transfer: spent, content };
  }
  if (ability === 'none') return planWhole(terms, NO_RANGES, spent);
  const { ranges } = planFetch(wanted, ability, cost);
  const transfer = transferOf(terms.missing?.(ranges) ?? ranges, ability);
  const blob = blobTransfer(terms);
  const isCheaper =
    transferMs(transfer, cost) < transferMs(blob, cost) &&
    transfer.bytes <= blob.bytes * WORTHWHILE;
  const amount = `${count(transfer.requests, 'request')} of ${transfer.bytes} bytes`;
  if (!isCheaper && strategy === 'auto') {
    return planWhole(
      terms,
      `${amount} for its parts cost as much as the blob of ${blobBytes}`,
      spent,
    );
  }
  const missing = files.filter(({ segments }) => segments.some(({ kind }) => kind === 'remote'));
  return {
    decision: 'partial',
    reason: `${missing.length} of ${count(files.length, 'file')} are not wholly here: ${amount} instead of ${blobBytes}`,
    files,
    ranges,
    transfer: addTransfers(spent, transfer),
    content,
  };
}

function contentBytes<S>(files: readonly FilePlan<S>[]): ContentBytes {
  const bytes = { local: 0, zeros: 0, remote: 0, earlier: 0 };
  for (const { segments } of files) {
    for (const { kind, sizeBytes } of segments) bytes[kind] += sizeBytes;
  }
  return bytes;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
