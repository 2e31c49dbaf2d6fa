import type { OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError } from '#base/errors';
import {
  BOOLEAN,
  BYTES,
  encodeVariant,
  lookupVariant,
  parseVariant,
  STRING,
  UINT64,
  type ValueOf,
  type VariantDict,
} from '#formats/gvariant';
import { COLLECTION_MAP_TYPE, SUMMARY_INDEX_TYPE, SUMMARY_TYPE } from './layout.ts';
import { checksumBytes, checksumOf } from './objects/objects.ts';
import { swap64 } from './objects/swap.ts';

/** Largest summary or summary index, in bytes. Source: OSTree spec 9.5. */
export const SUMMARY_MAX_BYTES = 256 * 1024 * 1024;
/** Limit for 2 million refs without metadata, or 500,000 with flatpak's additions. Source: OSTree spec 9.5. */
const SUMMARY_VALUES_MAX = 12_000_000;

/** One ref of a summary. */
export interface SummaryRef {
  readonly name: string;
  /** Size of the commit object in bytes: the upper limit for a commit fetched for this ref. */
  readonly commitBytes: bigint;
  readonly checksum: OstreeChecksum;
  readonly metadata: VariantDict;
}

/** The refs and metadata that a repository publishes. */
export interface Summary {
  /** Sorted by name by all writers; readers must not rely on it. */
  readonly refs: readonly SummaryRef[];
  readonly metadata: VariantDict;
}

/** One subset (an architecture, or a named part of one) in flatpak's summary index. */
export interface SummarySubset {
  readonly name: string;
  /** SHA-256 of the current subsummary, stored as `summaries/SUM.gz`. */
  readonly current: OstreeChecksum;
  /** Older subsummaries for which `summaries/OLD-CURRENT.delta` may exist. */
  readonly history: readonly OstreeChecksum[];
  readonly metadata: VariantDict;
}

/** Flatpak's `summary.idx`. */
export interface SummaryIndex {
  readonly subsets: readonly SummarySubset[];
  readonly metadata: VariantDict;
}

/** The well-known values of a summary's metadata; undefined when absent. */
export interface SummaryFacts {
  /** `archive-z2` for every repository that can be pulled over HTTP. */
  readonly mode: string | undefined;
  readonly lastModifiedSec: bigint | undefined;
  readonly expiresSec: bigint | undefined;
  readonly hasTombstones: boolean;
  /** True when deltas are listed in `delta-indexes/`. */
  readonly hasIndexedDeltas: boolean;
  readonly collectionId: string | undefined;
}

/**
 * Parses a summary.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_CHECKSUM_LENGTH, OSTREE_METADATA_TOO_LARGE
 */
export function parseSummary(bytes: Uint8Array): Summary {
  requireSummarySize(bytes);
  const [refs, metadata] = parseVariant(bytes, SUMMARY_TYPE, {
    what: 'summary',
    valuesMax: SUMMARY_VALUES_MAX,
  });
  return { refs: refs.map(refOf), metadata };
}

/** The exact bytes of a summary; refs in the order given. */
export function encodeSummary(summary: Summary): Uint8Array {
  return encodeVariant([summary.refs.map(rawRefOf), summary.metadata], SUMMARY_TYPE);
}

/** The first ref with this name; build a Map for many lookups. */
export function findSummaryRef(summary: Summary, name: string): SummaryRef | undefined {
  return summary.refs.find((ref) => ref.name === name);
}

/** Reads the well-known metadata of a summary or subsummary. A value of another type counts as absent. */
export function summaryFactsOf(metadata: VariantDict): SummaryFacts {
  const swapped = (key: string): bigint | undefined => {
    const value = lookupVariant(metadata, key, UINT64);
    return value === undefined ? undefined : swap64(value);
  };
  return {
    mode: lookupVariant(metadata, 'ostree.summary.mode', STRING),
    lastModifiedSec: swapped('ostree.summary.last-modified'),
    expiresSec: swapped('ostree.summary.expires'),
    hasTombstones: lookupVariant(metadata, 'ostree.summary.tombstone-commits', BOOLEAN) === true,
    hasIndexedDeltas: lookupVariant(metadata, 'ostree.summary.indexed-deltas', BOOLEAN) === true,
    collectionId: lookupVariant(metadata, 'ostree.summary.collection-id', STRING),
  };
}

/** Refs of other collections that a repository mirrors, by collection id. */
export function collectionMapOf(metadata: VariantDict): ReadonlyMap<string, readonly SummaryRef[]> {
  const raw = lookupVariant(metadata, 'ostree.summary.collection-map', COLLECTION_MAP_TYPE) ?? [];
  return new Map(raw.map(([collection, refs]) => [collection, refs.map(refOf)]));
}

/** Time of a summary's ref as stated by its publisher (`ostree.commit.timestamp`). */
export function refTimestampOf(ref: SummaryRef): bigint | undefined {
  const value = lookupVariant(ref.metadata, 'ostree.commit.timestamp', UINT64);
  return value === undefined ? undefined : swap64(value);
}

/**
 * Rejects a summary past its `ostree.summary.expires`. libostree shows the time but never enforces it.
 * @throws IntegrityError OSTREE_SUMMARY_EXPIRED
 */
export function verifyNotExpired(summary: Pick<Summary, 'metadata'>, nowSec: bigint): void {
  const { expiresSec } = summaryFactsOf(summary.metadata);
  if (expiresSec === undefined || nowSec <= expiresSec) return;
  throw new IntegrityError(
    'OSTREE_SUMMARY_EXPIRED',
    `Cannot trust summary: expected one that is still valid, found that it expired on ${dateOf(expiresSec)}`,
    { expected: String(expiresSec), found: String(nowSec) },
    {
      hint: 'The publisher must renew the summary. To accept the expired summary, use --accept-expired',
    },
  );
}

/** A time for display; a time outside the calendar's range stays a number. */
function dateOf(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString();
}

/**
 * Parses flatpak's `summary.idx`.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_CHECKSUM_LENGTH, OSTREE_METADATA_TOO_LARGE
 */
export function parseSummaryIndex(bytes: Uint8Array): SummaryIndex {
  requireSummarySize(bytes);
  const what = 'summary index';
  const [subsets, metadata] = parseVariant(bytes, SUMMARY_INDEX_TYPE, { what });
  return {
    subsets: subsets.map(([name, [current, history, subset]]) => ({
      name,
      current: checksumOf(current, `subset "${name}" of ${what}`),
      history: history.map((sum) => checksumOf(sum, `history of "${name}" in ${what}`)),
      metadata: subset,
    })),
    metadata,
  };
}

/** The exact bytes of a summary index. */
export function encodeSummaryIndex(index: SummaryIndex): Uint8Array {
  const subsets = index.subsets.map(
    ({ name, current, history, metadata }) =>
      [name, [checksumBytes(current), history.map(checksumBytes), metadata]] as const,
  );
  return encodeVariant([subsets, index.metadata], SUMMARY_INDEX_TYPE);
}

/** Path of a subsummary below the repository. */
export function subsummaryPath(checksum: OstreeChecksum): string {
  return `summaries/${checksum}.gz`;
}

/** Superblock checksums by delta name, from a value of `ostree.static-deltas`. */
export function deltaSumsOf(metadata: VariantDict): ReadonlyMap<string, OstreeChecksum> {
  const found = metadata.find(([key]) => key === 'ostree.static-deltas')?.[1];
  if (found === undefined || found.type.signature !== 'a{sv}') return new Map();
  const sums = new Map<string, OstreeChecksum>();
  for (const [name, { type, value }] of found.value as VariantDict) {
    if (type.signature !== BYTES.signature || sums.has(name)) continue;
    sums.set(name, checksumOf(value as Uint8Array, `superblock of delta "${name}"`));
  }
  return sums;
}

type RawRef = ValueOf<typeof SUMMARY_TYPE>[0][number];

function refOf([name, [size, checksum, metadata]]: RawRef): SummaryRef {
  return {
    name,
    commitBytes: size,
    checksum: checksumOf(checksum, `ref "${name}" of summary`),
    metadata,
  };
}

function rawRefOf({ name, commitBytes, checksum, metadata }: SummaryRef): RawRef {
  return [name, [commitBytes, checksumBytes(checksum), metadata]];
}

function requireSummarySize(bytes: Uint8Array): void {
  if (bytes.length <= SUMMARY_MAX_BYTES) return;
  throw new FormatError(
    'OSTREE_METADATA_TOO_LARGE',
    `Cannot read summary: expected at most ${SUMMARY_MAX_BYTES} bytes, found ${bytes.length}`,
    { offset: 0, what: 'summary', expected: SUMMARY_MAX_BYTES, found: bytes.length },
  );
}
