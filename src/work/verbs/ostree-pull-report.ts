import * as v from 'valibot';
import { count, list, text } from './schemas.ts';

const pulled = v.object({
  /** The ref that now points to the commit. */
  ref: v.nullable(text),
  commit: text,
  parent: v.nullable(text),
  streamId: text,
  /** Null when only the commit object was requested. */
  imageId: v.nullable(text),
  /** True when the complete commit was already stored. */
  wasPresent: v.boolean(),
  /** The stored paths; null for a complete commit, empty if only the commit object is stored. */
  subpaths: v.nullable(list(text)),
  counts: v.object({
    metadataFetched: count,
    filesFetched: count,
    metadataKnown: count,
    filesKnown: count,
  }),
  delta: v.nullable(v.object({ name: text, parts: count, metadata: count, files: count })),
  /** Keys whose signatures were accepted. */
  signedBy: list(text),
  /** The ancestors that were pulled, too; null when none were requested. */
  history: v.nullable(
    v.object({
      commits: list(
        v.object({
          commit: text,
          streamId: text,
          imageId: v.nullable(text),
          subpaths: v.nullable(list(text)),
          wasPresent: v.boolean(),
        }),
      ),
      end: v.picklist(['depth', 'root', 'missing', 'deleted']),
      missing: v.nullable(text),
    }),
  ),
});

/** Report of a pull of commits. The fields of a single commit are also fields of the report. */
export const commitPullReport = v.object({
  dryRun: v.literal(false),
  kind: v.literal('ostree'),
  ...v.partial(pulled).entries,
  commits: list(pulled),
  /** Null for a pull on this host. */
  traffic: v.nullable(v.object({ requests: count, bodyBytes: count })),
});
export type CommitPullReport = v.InferOutput<typeof commitPullReport>;

const planned = v.object({
  commit: text,
  ref: v.nullable(text),
  /** The current commit of the ref. */
  current: v.nullable(text),
  isPresent: v.boolean(),
});

/** Plan of a pull of commits. */
export const commitPlanReport = v.object({
  dryRun: v.literal(true),
  kind: v.literal('ostree'),
  wouldCreate: v.boolean(),
  ...v.partial(planned).entries,
  commits: list(planned),
});
export type CommitPlanReport = v.InferOutput<typeof commitPlanReport>;
