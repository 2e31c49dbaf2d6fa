import * as v from 'valibot';
import {
  type CommitSummary,
  commitDate,
  formatMetadata,
  jsonOfMetadata,
  type OpenedCommit,
  summarizeCommit,
} from '#work/commits';
import { count, list, orNull, text } from './schemas.ts';

/** A commit as `history` lists it. */
export const summarySchema = v.object({
  commit: text,
  parent: v.nullable(text),
  contentChecksum: text,
  /** RFC 3339; null if the date is out of range. */
  date: v.nullable(text),
  /** Seconds since 1970 in decimal: the format has 64 bits. */
  timestampSec: text,
  version: v.nullable(text),
  subject: text,
  body: text,
});
export type Summary = v.InferOutput<typeof summarySchema>;

/** A commit with all fields of its object. */
export const commitSchema = v.object({
  ...summarySchema.entries,
  rootTree: text,
  rootMeta: text,
  /** A list, because keys may repeat, and the checksum depends on their order. */
  metadata: list(v.object({ key: text, type: text, value: v.unknown() })),
  /** The metadata as `ostree` prints it, one key a line. */
  metadataLines: list(text),
  objects: count,
  streamId: text,
  imageId: v.nullable(text),
  /** The stored paths; null for a complete commit, empty if only the commit object is stored. */
  subpaths: v.nullable(list(text)),
});
export type CommitDocument = v.InferOutput<typeof commitSchema>;

/** A commit in the form of a report. */
export function summaryOf(commit: CommitSummary): Summary {
  return {
    commit: commit.checksum,
    parent: orNull(commit.parent),
    contentChecksum: commit.contentChecksum,
    date: orNull(commitDate(commit.timestampSec)?.toISOString()),
    timestampSec: String(commit.timestampSec),
    version: orNull(commit.version),
    subject: commit.subject,
    body: commit.body,
  };
}

/** An opened commit in the form of a report. */
export function commitOf(stored: OpenedCommit): CommitDocument {
  const { checksum, commit, streamId, imageId, objects } = stored;
  return {
    ...summaryOf(summarizeCommit(checksum, commit)),
    rootTree: commit.rootTree,
    rootMeta: commit.rootMeta,
    metadata: jsonOfMetadata(commit.metadata) as CommitDocument['metadata'],
    metadataLines: [...formatMetadata(commit.metadata)],
    objects: objects.size,
    streamId,
    imageId: orNull(imageId),
    subpaths: orNull(stored.subpaths),
  };
}
