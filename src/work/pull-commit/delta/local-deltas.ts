import type { OstreeChecksum } from '#base/digest';
import { IntegrityError } from '#base/errors';
import {
  computeMetadataChecksum,
  deltaIndexPath,
  deltaPartPath,
  METADATA_MAX_BYTES,
  parseSummary,
  SUMMARY_MAX_BYTES,
  type Summary,
  superblockPath,
} from '#formats/ostree';
import type { OstreeRepo } from '#stores/ostree';
import type { DeltaSource } from './delta.ts';

/** Largest part of a delta that is read from a disk, in bytes. Source: OSTree spec 9.5. */
const PART_MAX_BYTES = 256 * 1024 * 1024;

/** The deltas of a repository on this host. */
export function localDeltas(repo: OstreeRepo): DeltaSource {
  return {
    deltaIndex: async (to) => repo.readFile(deltaIndexPath(to), METADATA_MAX_BYTES),
    superblock: async (name, checksum) =>
      checked(repo.readFile(superblockPath(name), METADATA_MAX_BYTES), checksum, 'superblock'),
    deltaPart: async (name, index, { checksum, sizeBytes }) => {
      const limit = Math.min(sizeBytes, PART_MAX_BYTES);
      return checked(repo.readFile(deltaPartPath(name, index), limit), checksum, `part ${index}`);
    },
  };
}

/** Whether a repository on this host has deltas at all. */
export function hasDeltas(repo: OstreeRepo): boolean {
  if (repo.root.stat('deltas')?.type !== 'directory') return false;
  using folder = repo.root.openDir('deltas');
  return folder.readEntries().length > 0;
}

/** What a repository on this host says about itself and its deltas. @throws as `parseSummary` */
export function localSummary(repo: OstreeRepo): Summary | undefined {
  const bytes = repo.readFile('summary', SUMMARY_MAX_BYTES);
  return bytes === undefined ? undefined : parseSummary(bytes);
}

function checked(
  bytes: Uint8Array | undefined,
  expected: OstreeChecksum | undefined,
  what: string,
): Uint8Array | undefined {
  if (bytes === undefined || expected === undefined) return bytes;
  const found = computeMetadataChecksum(bytes);
  if (found === expected) return bytes;
  throw new IntegrityError(
    'OSTREE_DELTA_CHECKSUM_MISMATCH',
    `Cannot use ${what} of a static delta: expected checksum ${expected}, found ${found}`,
    { expected, found, what },
  );
}
