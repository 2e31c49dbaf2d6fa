import { createHash } from 'node:crypto';
import type { OstreeChecksum } from '#base/digest';
import { encodeVariant, parseVariant, type ValueOf, type VariantDict } from '#formats/gvariant';
import { COMMIT_TYPE } from '../layout.ts';
import { checksumBytes, checksumOf, requireMetadataSize } from './objects.ts';
import { swap64 } from './swap.ts';

/** A commit object. */
export interface Commit {
  /** In stored order, repeated keys kept: the order is part of the checksum. */
  readonly metadata: VariantDict;
  readonly parent: OstreeChecksum | undefined;
  /** Always empty in practice; kept so that encoding restores the same bytes. */
  readonly related: readonly (readonly [string, Uint8Array])[];
  readonly subject: string;
  readonly body: string;
  /** Seconds since 1970 as the stored unsigned 64-bit number; a time before 1970 is in two's complement. */
  readonly timestampSec: bigint;
  readonly rootTree: OstreeChecksum;
  readonly rootMeta: OstreeChecksum;
}

/**
 * Parses a commit object; does not verify its checksum (verifyMetadata does).
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_CHECKSUM_LENGTH, OSTREE_METADATA_TOO_LARGE
 */
export function parseCommit(bytes: Uint8Array): Commit {
  requireMetadataSize(bytes, 'commit');
  return commitOf(parseVariant(bytes, COMMIT_TYPE, { what: 'commit' }));
}

/** The exact bytes of a commit object. */
export function encodeCommit(commit: Commit): Uint8Array {
  return encodeVariant(rawCommitOf(commit), COMMIT_TYPE);
}

/** A commit from its parsed frame; also used for the commit inside a delta superblock. */
export function commitOf(frame: ValueOf<typeof COMMIT_TYPE>): Commit {
  const [metadata, parent, related, subject, body, timestamp, tree, meta] = frame;
  for (const [name, sum] of related) checksumOf(sum, `related object "${name}" of commit`);
  return {
    metadata,
    parent: parent.length === 0 ? undefined : checksumOf(parent, 'parent of commit'),
    related,
    subject,
    body,
    timestampSec: swap64(timestamp),
    rootTree: checksumOf(tree, 'root dirtree of commit'),
    rootMeta: checksumOf(meta, 'root dirmeta of commit'),
  };
}

/** The frame of a commit. */
export function rawCommitOf(commit: Commit): ValueOf<typeof COMMIT_TYPE> {
  return [
    commit.metadata,
    commit.parent === undefined ? new Uint8Array(0) : checksumBytes(commit.parent),
    commit.related,
    commit.subject,
    commit.body,
    swap64(commit.timestampSec),
    checksumBytes(commit.rootTree),
    checksumBytes(commit.rootMeta),
  ];
}

/** The ContentChecksum of `ostree show`: SHA-256 of the root dirtree and root dirmeta ids. Equal for equal trees. */
export function computeContentChecksum(commit: Commit): OstreeChecksum {
  return createHash('sha256')
    .update(checksumBytes(commit.rootTree))
    .update(checksumBytes(commit.rootMeta))
    .digest('hex') as OstreeChecksum;
}
