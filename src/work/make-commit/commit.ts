import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import {
  arrayOf,
  BOOLEAN,
  STRING,
  type Variant,
  type VariantDict,
  variantOf,
} from '#formats/gvariant';
import {
  COLLECTION_BINDING_KEY,
  type Commit,
  CommitStreamBuilder,
  computeMetadataChecksum,
  encodeCommit,
  REF_BINDING_KEY,
  requireRefName,
} from '#formats/ostree';
import { Directory, findPath, type Reading, type Stat, Tree, UNSET_STAT } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import {
  COMMITMETA_REF,
  keepAncestors,
  openCommit,
  readCommitRef,
  type StoredCommit,
  storeCommit,
  treeOfOpened,
  tryOpenCommit,
} from '#work/commits';
import { type CommitModifiers, type KeptInodes, StatModifier } from './modifiers.ts';
import { TreeObjects } from './tree-objects.ts';
import { overlayTree, readTreeSource, type TreeSource } from './tree-source.ts';

/** Properties of a commit beside its tree. */
export interface CommitDetails {
  /** Ref of the commit; the current commit of the ref becomes the parent. */
  readonly ref?: string | undefined;
  /** Default: the current commit of `ref`. `none` starts a new history. */
  readonly parent?: OstreeChecksum | 'none' | undefined;
  readonly subject?: string | undefined;
  readonly body?: string | undefined;
  /** Seconds since 1970, may be negative. Default: now. */
  readonly timestampSec?: bigint | undefined;
  /** The order is significant for the id. */
  readonly metadata?: VariantDict | undefined;
  /** Keys to copy from the parent. */
  readonly keepMetadata?: readonly string[] | undefined;
  /**
   * Refs for the ref binding, in addition to `ref`. `none` writes no binding. Without `ref` and this, none is written either; an empty list
   * binds the commit to no ref (`ostree commit --orphan`).
   */
  readonly bindRefs?: readonly string[] | 'none' | undefined;
  readonly collectionId?: string | undefined;
  /** Detached metadata: not part of the commit id, but of the id of its stream. */
  readonly detached?: Uint8Array | undefined;
}

/** How to commit. */
export interface CommitOptions extends OperationOptions, CommitDetails, CommitModifiers {
  /** Keep the NUL of xattr names in the image; see `ensureCommitImage`. */
  readonly reading?: Reading | undefined;
  /** A base commit below all sources. Modifiers do not apply to its files and directories. */
  readonly base?: string | undefined;
  /** Record the version of the kernel of the tree in the metadata. */
  readonly bootable?: boolean | undefined;
  /** Create no commit if the tree equals the tree of the parent. */
  readonly skipIfUnchanged?: boolean | undefined;
}

/** A commit that was made. */
export interface CommitReport extends StoredCommit {
  readonly parent: OstreeChecksum | undefined;
  readonly ref: string | undefined;
  readonly timestampSec: bigint;
  /** Distinct objects of the commit. */
  readonly metadataObjects: number;
  readonly fileObjects: number;
  /** False if `skipIfUnchanged` found no change; the ids are then those of the parent. */
  readonly changed: boolean;
}

const STRINGS = arrayOf(STRING);

/**
 * Merges trees, first to last, and commits the result as `ostree commit` does: the same tree and properties give the same id. Contents
 * become objects of the repository; then image, stream and ref are written.
 * @throws as `readTreeSource`, `overlayTree`, `TreeObjects.add`, `StatModifier`; FormatError OSTREE_REF_INVALID
 */
export async function commitTree(
  repository: Repository,
  sources: readonly TreeSource[],
  options: CommitOptions = {},
): Promise<CommitReport> {
  if (options.ref !== undefined) requireRefName(options.ref);
  for (const ref of asList(options.bindRefs)) requireRefName(ref);
  const parent = parentOf(repository, options);
  const builder = new CommitStreamBuilder();
  const { tree, kept } = await layTrees(repository, sources, options);
  const bootMetadata = options.bootable === true ? bootMetadataOf(tree) : [];
  const modifier = new StatModifier(options, kept);
  const objects = new TreeObjects(repository, builder, modifier, {
    // A directory or tar has just been imported; the objects of an image may have been damaged since.
    verify: isFresh(sources, options) ? 'kernel' : 'content',
    onProgress: options.onProgress,
  });
  const roots = await inTurns(objects.add(tree), options);
  modifier.finish();
  const previous = parent === undefined ? undefined : tryOpenCommit(repository, parent);
  const isSame =
    previous?.commit.rootTree === roots.rootTree && previous.commit.rootMeta === roots.rootMeta;
  if (options.skipIfUnchanged === true && isSame && previous?.imageId !== undefined) {
    const { checksum, streamId, imageId, commit } = previous;
    const ids = { commit: checksum, streamId, imageId, upstreamId: undefined };
    return {
      ...ids,
      ...objects.counts,
      changed: false,
      parent,
      ref: options.ref,
      timestampSec: commit.timestampSec,
    };
  }
  const timestampSec = BigInt.asUintN(
    64,
    options.timestampSec ?? BigInt(Math.floor(Date.now() / 1000)),
  );
  const bytes = encodeCommit({
    metadata: metadataOf(options, previous?.commit, bootMetadata),
    parent,
    related: [],
    subject: options.subject ?? '',
    body: options.body ?? '',
    timestampSec,
    ...roots,
  });
  const commit = computeMetadataChecksum(bytes);
  builder.addMetadata(commit, bytes);
  if (options.ref !== undefined) keepAncestors(repository, options.ref, commit, parent);
  const content = await inTurns(builder.encodeInSteps(commit), { signal: options.signal });
  const stored = await storeCommit(repository, commit, content, {
    ref: options.ref,
    namedRefs: detachedRefs(repository, options.detached),
    reading: options.reading,
    signal: options.signal,
  });
  const { metadataObjects, fileObjects } = objects.counts;
  return {
    ...stored,
    parent,
    ref: options.ref,
    timestampSec,
    metadataObjects: metadataObjects + 1,
    fileObjects,
    changed: true,
  };
}

function isFresh(sources: readonly TreeSource[], { base }: CommitOptions): boolean {
  return base === undefined && sources.every(({ kind }) => kind === 'directory' || kind === 'tar');
}

async function layTrees(
  repository: Repository,
  sources: readonly TreeSource[],
  options: CommitOptions,
): Promise<{ readonly tree: Tree; readonly kept: KeptInodes | undefined }> {
  const base =
    options.base === undefined
      ? undefined
      : await treeOfOpened(openCommit(repository, options.base), { signal: options.signal });
  // Before anything is laid over it: that adds leaves, and replaces stats of directories.
  const kept = base === undefined ? undefined : inodesOf(base);
  let tree = base;
  for (const source of sources) {
    const next = await readTreeSource(repository, source, options);
    if (tree === undefined) tree = next;
    else overlayTree(tree, next);
  }
  return { tree: tree ?? new Tree({ ...UNSET_STAT, mode: 0o755 }), kept };
}

function inodesOf(tree: Tree): KeptInodes {
  const directoryStats = new Set<Stat>();
  const pending = [tree.root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    directoryStats.add(directory.stat);
    for (const inode of directory.entries.values()) {
      if (inode instanceof Directory) pending.push(inode);
    }
  }
  return { leafCount: tree.leaves.length, directoryStats };
}

/** Folder of kernels, one folder for each version. Source: OSTree spec 5.3. */
const MODULES = '/usr/lib/modules';
const KERNEL = 'vmlinuz' as ByteString;

/** In the order that `ostree commit --bootable` gives them. Source: OSTree spec 2.13, and libostree 2022.7. */
function bootMetadataOf(tree: Tree): VariantDict {
  const modules = findPath(tree, MODULES);
  const versions: string[] = [];
  if (modules instanceof Directory) {
    for (const [name, inode] of modules.entries) {
      if (inode instanceof Directory && inode.entries.has(KERNEL)) versions.push(displayText(name));
    }
  }
  const [version] = versions;
  if (version === undefined || versions.length > 1) {
    throw new NotFoundError(
      'OSTREE_KERNEL_NOT_FOUND',
      `Cannot commit as bootable: expected one kernel in ${MODULES}, found ${versions.length}`,
      { path: MODULES, found: versions },
    );
  }
  return [
    ['ostree.linux', variantOf(STRING, version)],
    ['ostree.bootable', variantOf(BOOLEAN, true)],
  ];
}

function parentOf(
  repository: Repository,
  { ref, parent }: CommitDetails,
): OstreeChecksum | undefined {
  if (parent === 'none') return undefined;
  return parent ?? (ref === undefined ? undefined : readCommitRef(repository, ref));
}

/** The order is that of `ostree commit`: given metadata, kept keys, ref binding, collection binding. Source: OSTree spec 2.3. */
function metadataOf(
  details: CommitDetails,
  parent: Commit | undefined,
  more: VariantDict,
): VariantDict {
  const given = details.metadata ?? [];
  const kept: [string, Variant][] = [];
  for (const key of details.keepMetadata ?? []) {
    const found = parent?.metadata.find(([name]) => name === key);
    if (found !== undefined) kept.push([key, found[1]]);
  }
  const metadata: (readonly [string, Variant])[] = [...given, ...kept, ...more];
  const { ref, bindRefs, collectionId } = details;
  if (bindRefs !== 'none' && (ref !== undefined || bindRefs !== undefined)) {
    const refs = [...(ref === undefined ? [] : [ref]), ...asList(bindRefs)];
    refs.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    metadata.push([REF_BINDING_KEY, variantOf(STRINGS, refs)]);
  }
  const isGiven = metadata.some(([key]) => key === COLLECTION_BINDING_KEY);
  if (collectionId !== undefined && !isGiven) {
    metadata.push([COLLECTION_BINDING_KEY, variantOf(STRING, collectionId)]);
  }
  return metadata;
}

function asList(refs: CommitDetails['bindRefs']): readonly string[] {
  return refs === undefined || refs === 'none' ? [] : refs;
}

function detachedRefs(
  repository: Repository,
  detached: Uint8Array | undefined,
): ReadonlyMap<string, ObjectId> | undefined {
  if (detached === undefined || detached.length === 0) return undefined;
  return new Map([[COMMITMETA_REF, repository.objects.ensureBytes(detached).id]]);
}
