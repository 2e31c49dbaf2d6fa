import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import {
  applyDeltaPart,
  type DeltaFallback,
  type DeltaPartBytes,
  type DeltaPartInfo,
  encodeMetadataDict,
  formatDeltaName,
  inlineCommitmetaOf,
  inlinePartOf,
  parseDelta,
  parseDeltaPart,
  type Superblock,
  splitPartFile,
} from '#formats/ostree';
import type { Reading } from '#formats/tree';
import { Dir, readAll } from '#host';
import type { Repository } from '#stores/composefs';
import { isWhole, openBase, storeCommit } from '#work/commits';
import { FileTools } from '../files/file-tools.ts';
import { gatherCommit } from '../gather/gather.ts';
import { GatheredCommit } from '../gather/gathered.ts';
import { PullJournal } from '../gather/journal.ts';
import { KnownObjects } from '../gather/known.ts';
import type { CommitSource } from '../gather/source.ts';
import { passGates, type TrustPolicy, verifyCommit } from '../trust/trust.ts';
import { isKnown } from './delta.ts';
import { DeltaReceiver } from './delta-target.ts';

/** How to apply a delta from a file. */
export interface ApplyDeltaOptions extends OperationOptions {
  /** Also points this OSTree ref at the commit. */
  readonly ref?: string | undefined;
  /** Gates of commits are asked about the delta's own signatures first, then about the commit's detached metadata inside. */
  readonly trust?: TrustPolicy | undefined;
  readonly reading?: Reading | undefined;
  readonly withUpstreamId?: boolean | undefined;
}

/** What was applied. */
export interface AppliedDelta {
  readonly commit: OstreeChecksum;
  readonly streamId: ObjectId;
  readonly imageId: ObjectId;
  readonly upstreamId: ObjectId | undefined;
  /** `TO` or `FROM-TO`. */
  readonly name: string;
  readonly metadata: number;
  readonly files: number;
  /** True if the commit was already stored. */
  readonly wasPresent: boolean;
  readonly signedBy: readonly string[];
}

/** Most missing objects that an error lists. */
const MISSING_MAX = 1000;
/** Largest delta file, in bytes: the parts may be inside. */
const DELTA_FILE_MAX_BYTES = 2 ** 31;

/** What applying a delta would do. */
export interface DeltaPlan {
  readonly commit: OstreeChecksum;
  /** The commit it starts from; undefined when it starts from nothing. */
  readonly from: OstreeChecksum | undefined;
  /** `TO` or `FROM-TO`. */
  readonly name: string;
  /** True if the commit is already stored, and nothing would be done. */
  readonly isPresent: boolean;
  readonly parts: number;
  /** Of all parts, as they are stored and unpacked. */
  readonly partBytes: number;
  readonly unpackedBytes: number;
  readonly metadata: number;
  readonly files: number;
  /** Objects that the delta leaves to be fetched one by one and that are not here: with any of them it cannot be applied. */
  readonly missing: readonly OstreeChecksum[];
  readonly signedBy: readonly string[];
}

/**
 * Reads and verifies a delta, its parts and its signatures, and says what applying it would do; also for a repository that is not there
 * yet. Nothing is stored.
 * @throws as `applyDeltaFile`
 */
export async function planDeltaFile(
  repository: Repository | undefined,
  path: string,
  { trust = {}, signal }: Pick<ApplyDeltaOptions, 'trust' | 'signal'> = {},
): Promise<DeltaPlan> {
  using files = openDeltaFiles(path);
  const { superblock, signedBy } = await openTrusted(files, trust);
  const from = openSource(repository, superblock.from);
  for (const info of superblock.parts) {
    signal?.throwIfAborted();
    parseDeltaPart(files.part(superblock, info), info);
  }
  const { parts } = superblock;
  const objects = parts.flatMap((part) => part.objects);
  const fileCount = objects.filter(({ kind }) => kind === 'file').length;
  const sum = (sizes: readonly bigint[]) => Number(sizes.reduce((total, size) => total + size, 0n));
  return {
    commit: superblock.to,
    from: superblock.from,
    name: formatDeltaName(superblock),
    isPresent: repository !== undefined && openBase(repository, superblock.to) !== undefined,
    parts: parts.length,
    partBytes: sum(parts.map(({ sizeBytes }) => sizeBytes)),
    unpackedBytes: sum(parts.map(({ unpackedBytes }) => unpackedBytes)),
    metadata: objects.length - fileCount,
    files: fileCount,
    missing: missingFallbacks(superblock, (one) => from?.has(one.checksum) === true),
    signedBy,
  };
}

/**
 * Applies a static delta from a file, or from a directory with `superblock` and parts. What the delta leaves out (fallbacks) must be
 * in the commit that it starts from or in another base, because there is no remote to ask.
 * @throws NotFoundError OSTREE_COMMIT_NOT_FOUND when the source commit is not here, OSTREE_OBJECT_MISSING; FormatError OSTREE_DELTA_…;
 * IntegrityError OSTREE_CHECKSUM_MISMATCH, OSTREE_SIGNATURE_…; HostError
 */
export async function applyDeltaFile(
  repository: Repository,
  path: string,
  options: ApplyDeltaOptions = {},
): Promise<AppliedDelta> {
  const { trust = {}, signal } = options;
  repository.ensureWritable();
  using files = openDeltaFiles(path);
  const { superblock, signedBy } = await openTrusted(files, trust);
  const present = openBase(repository, superblock.to);
  const ids = { commit: superblock.to, name: formatDeltaName(superblock), signedBy };
  if (present?.imageId !== undefined && (await isWhole(repository, present, { signal }))) {
    const { streamId, imageId } = present;
    return {
      ...ids,
      streamId,
      imageId,
      upstreamId: undefined,
      metadata: 0,
      files: 0,
      wasPresent: true,
    };
  }
  const from = openSource(repository, superblock.from);
  using journal = PullJournal.open(repository, superblock.to);
  const known = new KnownObjects(repository, journal);
  if (from !== undefined) known.addBase(from);
  if (present !== undefined) known.addBase(present.objects);
  await known.settle({ signal });
  const [lacking, ...others] = missingFallbacks(superblock, (one) => isKnown(one, known));
  if (lacking !== undefined) failFallbacks(superblock, [lacking, ...others]);
  const tools = new FileTools(repository.objects.writerSeed(), journal?.fd);
  using receiver = new DeltaReceiver(repository, from, known, tools);
  for (const info of superblock.parts) {
    signal?.throwIfAborted();
    applyDeltaPart(parseDeltaPart(files.part(superblock, info), info), info, receiver);
    receiver.closeSources();
  }
  const gathered = new GatheredCommit(superblock.to, superblock.commitBytes, known.closest);
  const context = {
    source: NOWHERE,
    known,
    gathered,
    journal,
    signal,
    onProgress: options.onProgress,
  };
  await gatherCommit(context);
  const content = await inTurns(gathered.encodeInSteps(), { signal });
  const stored = await storeCommit(repository, superblock.to, content, options);
  journal?.remove();
  const { metadataMade, filesMade } = receiver;
  return { ...ids, ...stored, metadata: metadataMade, files: filesMade, wasPresent: false };
}

/** What a delta leaves to be fetched one by one, without what its own parts make. */
function missingFallbacks(
  { parts, fallbacks }: Superblock,
  isHere: (object: DeltaFallback) => boolean,
): OstreeChecksum[] {
  const made = new Set(parts.flatMap((part) => part.objects.map(({ checksum }) => checksum)));
  const missing = fallbacks.filter((one) => !made.has(one.checksum) && !isHere(one));
  return missing.map(({ checksum }) => checksum);
}

function failFallbacks(
  superblock: Superblock,
  missing: readonly [OstreeChecksum, ...OstreeChecksum[]],
): never {
  throw new NotFoundError(
    'OSTREE_OBJECT_MISSING',
    `Cannot apply delta ${formatDeltaName(superblock)}: ${missing.length} objects that the delta omits are not stored, the first is ${missing[0]}`,
    {
      checksum: missing[0],
      kind: 'file',
      commit: superblock.to,
      count: missing.length,
      missing: missing.slice(0, MISSING_MAX),
    },
    { hint: 'Pull the commit from the repository that made the delta' },
  );
}

/** A source that has nothing: what a delta and its bases do not give is missing. */
const NOWHERE: CommitSource = {
  label: 'the delta',
  concurrency: 1,
  metadata: () => undefined,
  files: (sink) => ({ add: (checksum) => sink.missing(checksum) }),
};

/** The superblock, when the policy believes its own signatures or those of the commit inside. */
async function openTrusted(
  files: DeltaFiles,
  trust: TrustPolicy,
): Promise<{ readonly superblock: Superblock; readonly signedBy: readonly string[] }> {
  const { superblock, superblockBytes, signatures } = parseDelta(files.superblock);
  if (signatures !== undefined) {
    const dict = encodeMetadataDict(signatures);
    const signedBy = await passGates(superblockBytes, dict, trust.commitGates, 'delta');
    if (signedBy.length > 0) return { superblock, signedBy };
  }
  return { superblock, signedBy: await verifyTarget(superblock, trust) };
}

async function verifyTarget(superblock: Superblock, trust: TrustPolicy): Promise<string[]> {
  const detached = inlineCommitmetaOf(superblock);
  return await verifyCommit(
    {
      bytes: superblock.commitBytes,
      ref: undefined,
      detached: detached === undefined ? undefined : encodeMetadataDict(detached),
      current: undefined,
    },
    trust,
  );
}

function openSource(repository: Repository | undefined, from: OstreeChecksum | undefined) {
  if (from === undefined) return undefined;
  const opened = repository === undefined ? undefined : openBase(repository, from);
  if (opened !== undefined) return opened.objects;
  throw new NotFoundError(
    'OSTREE_COMMIT_NOT_FOUND',
    `Cannot apply delta: it starts from commit ${from}, which is not stored`,
    { name: from },
    { hint: 'Pull that commit first, or use a delta without a base commit' },
  );
}

interface DeltaFiles extends Disposable {
  readonly superblock: Uint8Array;
  part(superblock: Superblock, info: DeltaPartInfo): DeltaPartBytes;
}

function openDeltaFiles(path: string): DeltaFiles {
  const trimmed = path.replace(/(?<=.)\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const name = Buffer.from(trimmed.slice(slash + 1)).toString('latin1');
  const folder = slash < 0 ? '.' : slash === 0 ? '/' : trimmed.slice(0, slash);
  const outer = Dir.open(folder);
  const inner = outer.stat(name)?.type === 'directory' ? outer.openDir(name) : undefined;
  const read = (dir: Dir, file: string): Uint8Array => {
    using opened = dir.openFile(file);
    return readAll(opened, DELTA_FILE_MAX_BYTES);
  };
  return {
    superblock: inner === undefined ? read(outer, name) : read(inner, 'superblock'),
    part: (superblock, info) =>
      inlinePartOf(superblock, info.index) ??
      splitPartFile(read(inner ?? outer, String(info.index))),
    [Symbol.dispose]() {
      inner?.[Symbol.dispose]();
      outer[Symbol.dispose]();
    },
  };
}
