import * as v from 'valibot';
import { UsageError } from '#base/errors';
import {
  type CommitOptions,
  type CommitReport,
  commitTree,
  encodeDetachedOptions,
  parseMetadataOptions,
  parseSkipList,
  parseStatOverrides,
  type TreeSource,
} from '#work/make-commit';
import { openToFill } from './repository.ts';
import {
  compat,
  count,
  flag,
  list,
  maybeCount,
  maybeText,
  orNull,
  text,
  texts,
} from './schemas.ts';
import { readNamedFile } from './small-file.ts';
import { defineVerb } from './verb.ts';

/** The source of a tree. Paths are absolute. */
const treeSource = v.variant('kind', [
  v.object({ kind: v.literal('directory'), path: text }),
  v.object({ kind: v.literal('tar'), path: text }),
  v.object({ kind: v.literal('commit'), name: text }),
  v.object({ kind: v.literal('image'), name: text }),
]);

const request = v.strictObject({
  /** An OCI image as the first tree. */
  image: maybeText,
  /** Trees are merged in this order; later ones override earlier ones. */
  tree: v.optional(list(treeSource), []),
  base: maybeText,
  /** The ref of the commit; the current commit of the ref becomes the parent. */
  reference: maybeText,
  subject: maybeText,
  body: maybeText,
  /** Seconds since 1970, in decimal. */
  timestampSec: v.optional(v.pipe(text, v.regex(/^-?\d{1,18}$/))),
  /** A commit id, or `none`. */
  parent: v.optional(v.pipe(text, v.regex(/^(?:[0-9a-f]{64}|none)$/))),
  orphan: flag,
  /** False writes no ref binding. */
  bindings: v.optional(v.boolean()),
  bindRef: texts,
  collectionId: maybeText,
  addMetadataString: texts,
  addMetadata: texts,
  bootable: flag,
  keepMetadata: texts,
  addDetachedMetadataString: texts,
  ownerUid: maybeCount,
  ownerGid: maybeCount,
  canonicalPermissions: flag,
  modeRoExecutables: flag,
  /** False omits extended attributes. */
  xattrs: v.optional(v.boolean()),
  keepEmptyXattrs: flag,
  /** Absolute paths. */
  statoverride: maybeText,
  skipList: maybeText,
  skipIfUnchanged: flag,
  compat,
});
export type OstreeCommitRequest = v.InferOutput<typeof request>;

const report = v.variant('dryRun', [
  v.object({ dryRun: v.literal(true), sources: list(treeSource), ref: v.nullable(text) }),
  v.object({
    dryRun: v.literal(false),
    commit: text,
    streamId: text,
    imageId: text,
    parent: v.nullable(text),
    ref: v.nullable(text),
    timestampSec: text,
    metadataObjects: count,
    fileObjects: count,
    /** False when the tree equals the tree of the parent, and no commit was created. */
    changed: v.boolean(),
  }),
]);
export type OstreeCommitReport = v.InferOutput<typeof report>;

/** `ostree commit`: creates a commit from an image, directories, tar archives and commits. */
export const ostreeCommit = defineVerb({
  request,
  report,
  examples: [
    {
      request: { image: 'app', reference: 'app/stable', subject: 'From the image' },
      says: 'Create a commit of the files of an image',
    },
  ],
  async plan(_context, asked) {
    return { dryRun: true as const, sources: sourcesOf(asked), ref: orNull(asked.reference) };
  },
  async run(context, asked) {
    const sources = sourcesOf(asked);
    const details = optionsOf(asked);
    using repository = await openToFill(context);
    const { signal, onProgress } = context;
    return reportOf(await commitTree(repository, sources, { ...details, signal, onProgress }));
  },
});

function sourcesOf({ image, tree, base }: OstreeCommitRequest): TreeSource[] {
  const sources = [
    ...(image === undefined ? [] : [{ kind: 'image', name: image } as const]),
    ...tree,
  ];
  if (sources.length > 0 || base !== undefined) return sources;
  throw new UsageError('Cannot commit: expected an image or --tree dir=PATH, found neither');
}

function optionsOf(asked: OstreeCommitRequest): CommitOptions {
  const fileText = (path: string | undefined) =>
    path === undefined ? undefined : readNamedFile(path).toString('utf8');
  const skipList = fileText(asked.skipList);
  const overrides = fileText(asked.statoverride);
  return {
    ref: asked.reference,
    parent: asked.parent as CommitOptions['parent'],
    subject: asked.subject,
    body: asked.body,
    timestampSec: asked.timestampSec === undefined ? undefined : BigInt(asked.timestampSec),
    metadata: parseMetadataOptions(asked.addMetadataString, asked.addMetadata),
    keepMetadata: asked.keepMetadata,
    base: asked.base,
    bootable: asked.bootable,
    bindRefs: bindingsOf(asked),
    collectionId: asked.collectionId,
    detached: encodeDetachedOptions(asked.addDetachedMetadataString),
    ownerUid: asked.ownerUid,
    ownerGid: asked.ownerGid,
    canonicalPermissions: asked.canonicalPermissions === true,
    readOnlyExecutables: asked.modeRoExecutables === true,
    noXattrs: asked.xattrs === false,
    keepEmptyXattrs: asked.keepEmptyXattrs === true,
    skipIfUnchanged: asked.skipIfUnchanged,
    skipPaths: skipList === undefined ? undefined : parseSkipList(skipList),
    statOverrides: overrides === undefined ? undefined : parseStatOverrides(overrides),
    reading: asked.compat,
  };
}

/** `orphan` binds the commit to no ref: an empty list. */
function bindingsOf({ bindings, orphan, bindRef }: OstreeCommitRequest): CommitOptions['bindRefs'] {
  if (bindings === false) return 'none';
  if (orphan === true) return [];
  return bindRef.length === 0 ? undefined : bindRef;
}

function reportOf(done: CommitReport): Extract<OstreeCommitReport, { dryRun: false }> {
  const { upstreamId: _, parent, ref, timestampSec, ...rest } = done;
  const time = String(timestampSec);
  return { dryRun: false, ...rest, timestampSec: time, parent: orNull(parent), ref: orNull(ref) };
}
