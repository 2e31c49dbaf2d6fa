import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import type { ProgressListener } from '#base/flow';
import {
  applyDeltaPart,
  type DeltaName,
  type DeltaPartBytes,
  type DeltaPartInfo,
  deltaSumsOf,
  formatDeltaName,
  inlinePartOf,
  parseDelta,
  parseDeltaName,
  parseDeltaPart,
  parseMetadataDict,
  type Summary,
  type Superblock,
  splitPartFile,
  summaryFactsOf,
  verifyDeltaName,
} from '#formats/ostree';
import type { OstreeRemote } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { openBase } from '#work/commits';
import type { FileTools } from '../files/file-tools.ts';
import type { KnownObjects } from '../gather/known.ts';
import { DeltaReceiver } from './delta-target.ts';

/** Whether deltas are used: when they are cheaper, never, or in any case. */
export type DeltaPolicy = 'auto' | 'never' | 'require';

/** Where deltas come from: the files of a remote are one. What it returns has its checksum; what is not there is undefined. */
export type DeltaSource = Pick<OstreeRemote, 'superblock' | 'deltaIndex' | 'deltaPart'>;

/** What looking for a delta works with. */
export interface DeltaContext {
  readonly repository: Repository;
  readonly source: DeltaSource;
  /** Ask for the delta from nothing too when nobody says which there are: a file that is not there costs nothing on a disk. */
  readonly isLocal?: boolean;
  readonly known: KnownObjects;
  readonly tools: FileTools;
  readonly summary: Summary | undefined;
  /** What the ref names now, if it is stored. */
  readonly current: OstreeChecksum | undefined;
  readonly policy: DeltaPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

/** Where to look for deltas to a commit. */
export type DeltaOrigin = Pick<DeltaContext, 'source' | 'summary' | 'current' | 'isLocal'>;

/** A delta that was used. */
export interface UsedDelta {
  readonly name: string;
  readonly parts: number;
  readonly metadata: number;
  readonly files: number;
}

/** Which deltas there are to a commit, with the checksum of each superblock where it is known. */
interface Candidate {
  readonly name: DeltaName;
  readonly checksum: OstreeChecksum | undefined;
}

/** What a loose object costs beside its content, as bytes that could have been transferred instead. */
const REQUEST_COST_BYTES = 1024;
/** What a delta part costs in the same measure: parts come one after the other. */
const PART_COST_BYTES = 16 * 1024;
/** Size of a compressed object, as a part of its unpacked size, when nobody says. Source: OSTree spec 9.3. */
const COMPRESSED_SHARE = 0.6;

/**
 * Fetches and applies the best delta to a commit, if there is one that is worth it. Whatever its parts produce becomes known;
 * the caller then walks the commit and fetches what is missing. A delta that fails is given up, not the pull, unless
 * deltas are required.
 * @throws NotFoundError OSTREE_DELTA_NOT_FOUND when deltas are required and there is none; then also errors of the delta
 */
export async function tryDelta(
  to: OstreeChecksum,
  context: DeltaContext,
): Promise<UsedDelta | undefined> {
  const { policy, onProgress, signal } = context;
  if (policy === 'never') return undefined;
  try {
    const found = await chooseDelta(to, context);
    if (found !== undefined) return await applyDelta(found, context);
  } catch (error) {
    signal?.throwIfAborted();
    if (policy === 'require' || !isOnecopyError(error) || error.kind === 'host') throw error;
    onProgress?.({ type: 'note', text: `Not using a static delta: ${error.message}` });
  }
  if (policy !== 'require') return undefined;
  throw new NotFoundError(
    'OSTREE_DELTA_NOT_FOUND',
    `Cannot find a static delta to commit ${to}: expected one without a base commit or from a stored commit, found none`,
    { commit: to },
  );
}

async function chooseDelta(
  to: OstreeChecksum,
  context: DeltaContext,
): Promise<Superblock | undefined> {
  const candidates = orderCandidates(await listCandidates(to, context), context);
  // The best two: a delta from a commit at hand, and perhaps the one from nothing.
  for (const { name, checksum } of candidates.slice(0, 2)) {
    const bytes = await context.source.superblock(name, checksum, { signal: context.signal });
    if (bytes === undefined) continue;
    const { superblock } = parseDelta(bytes);
    verifyDeltaName(superblock, name);
    if (isWorthIt(superblock, context)) return superblock;
  }
  return undefined;
}

/**
 * The commit object that a delta to it brings, for sources that keep the commit nowhere else; undefined when there is no delta.
 * @throws as `parseDelta` and `verifyDeltaName`
 */
export async function commitOfDelta(
  to: OstreeChecksum,
  context: DeltaOrigin & Pick<DeltaContext, 'repository' | 'signal'>,
): Promise<Uint8Array | undefined> {
  for (const { name, checksum } of orderCandidates(await listCandidates(to, context), context)) {
    const bytes = await context.source.superblock(name, checksum, { signal: context.signal });
    if (bytes === undefined) continue;
    const { superblock } = parseDelta(bytes);
    verifyDeltaName(superblock, name);
    return superblock.commitBytes;
  }
  return undefined;
}

async function listCandidates(
  to: OstreeChecksum,
  context: DeltaOrigin & Pick<DeltaContext, 'signal'>,
): Promise<Candidate[]> {
  const { source, summary, signal, current } = context;
  if (summary === undefined) {
    const guesses = context.isLocal === true ? new Set([current, undefined]) : [current];
    return [...guesses].map((from) => ({ name: { from, to }, checksum: undefined }));
  }
  if (!isIndexed(summary, to)) return candidatesOf(deltaSumsOf(summary.metadata), to);
  const bytes = await source.deltaIndex(to, { signal });
  if (bytes === undefined) return [];
  return candidatesOf(deltaSumsOf(parseMetadataDict(bytes, 'delta index')), to);
}

/** True when the summary does not name the deltas to a commit, but says that a file does. */
export function isIndexed({ metadata }: Summary, to: OstreeChecksum): boolean {
  return (
    summaryFactsOf(metadata).hasIndexedDeltas &&
    candidatesOf(deltaSumsOf(metadata), to).length === 0
  );
}

function candidatesOf(sums: ReadonlyMap<string, OstreeChecksum>, to: OstreeChecksum): Candidate[] {
  return [...sums]
    .map(([text, checksum]) => ({ name: parseDeltaName(text), checksum }))
    .filter(({ name }) => name.to === to);
}

/** Those that can be used: from the present commit of the ref, then from other bases, then from nothing. */
function orderCandidates(
  candidates: readonly Candidate[],
  context: Pick<DeltaContext, 'current' | 'repository'>,
): Candidate[] {
  const rank = ({ name }: Candidate): number => {
    if (name.from === undefined) return 2;
    if (name.from === context.current) return 0;
    return openBase(context.repository, name.from) === undefined ? 3 : 1;
  };
  return candidates
    .map((candidate) => ({ candidate, rank: rank(candidate) }))
    .filter((one) => one.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map(({ candidate }) => candidate);
}

/** Compares the estimated transfer of the delta with that of the loose objects it would save, and says so. */
function isWorthIt(superblock: Superblock, context: DeltaContext): boolean {
  const { known, policy, onProgress } = context;
  let deltaBytes = 0;
  let looseBytes = 0;
  for (const part of superblock.parts) {
    const unknown = part.objects.filter((object) => !isKnown(object, known)).length;
    if (unknown === 0) continue;
    deltaBytes += Number(part.sizeBytes) + PART_COST_BYTES;
    const share = unknown / part.objects.length;
    looseBytes +=
      Number(part.unpackedBytes) * share * COMPRESSED_SHARE + unknown * REQUEST_COST_BYTES;
  }
  // What the delta leaves out is fetched as single objects either way.
  for (const fallback of superblock.fallbacks) {
    if (isKnown(fallback, known)) continue;
    const bytes = Number(fallback.sizeBytes) + REQUEST_COST_BYTES;
    deltaBytes += bytes;
    looseBytes += bytes;
  }
  const isChosen = policy === 'require' || deltaBytes < looseBytes;
  const sizes = `about ${Math.round(deltaBytes)} bytes against ${Math.round(looseBytes)} for single objects`;
  const name = formatDeltaName(superblock);
  onProgress?.({
    type: 'note',
    text: isChosen
      ? `Using static delta ${name}: ${sizes}`
      : `Not using static delta ${name}: ${sizes}`,
  });
  return isChosen;
}

/** Whether an object is in a base, or came in an earlier attempt. */
export function isKnown(
  { kind, checksum }: DeltaPartInfo['objects'][number],
  known: KnownObjects,
): boolean {
  return kind === 'file'
    ? known.file(checksum) !== undefined
    : known.metadata(kind, checksum) !== undefined;
}

/** Applies the parts in order, the next one under way meanwhile; those whose objects are all known are not fetched. */
async function applyDelta(superblock: Superblock, context: DeltaContext): Promise<UsedDelta> {
  const { repository, known, tools, onProgress, signal } = context;
  const from =
    superblock.from === undefined ? undefined : openBase(repository, superblock.from)?.objects;
  using receiver = new DeltaReceiver(repository, from, known, tools);
  const needed = superblock.parts.filter((part) =>
    part.objects.some((object) => !isKnown(object, known)),
  );
  onProgress?.({ type: 'started', id: 'delta', unit: 'items', total: needed.length });
  let next = needed[0] === undefined ? undefined : fetchPart(superblock, needed[0], context);
  for (const [index, info] of needed.entries()) {
    const bytes = await next;
    const after = needed[index + 1];
    next = after === undefined ? undefined : fetchPart(superblock, after, context);
    next?.catch(() => {});
    signal?.throwIfAborted();
    applyDeltaPart(parseDeltaPart(bytes as DeltaPartBytes, info), info, receiver);
    receiver.closeSources();
    onProgress?.({ type: 'advanced', id: 'delta', done: index + 1, total: needed.length });
  }
  onProgress?.({ type: 'done', id: 'delta', transferred: needed.length });
  return {
    name: formatDeltaName(superblock),
    parts: needed.length,
    metadata: receiver.metadataMade,
    files: receiver.filesMade,
  };
}

async function fetchPart(
  superblock: Superblock,
  info: DeltaPartInfo,
  { source, signal }: DeltaContext,
): Promise<DeltaPartBytes> {
  const inline = inlinePartOf(superblock, info.index);
  if (inline !== undefined) return inline;
  const expected = { checksum: info.checksum, sizeBytes: Number(info.sizeBytes) };
  const bytes = await source.deltaPart(superblock, info.index, expected, { signal });
  if (bytes !== undefined) return splitPartFile(bytes);
  throw new NotFoundError(
    'OSTREE_OBJECT_MISSING',
    `Cannot fetch part ${info.index} of static delta ${formatDeltaName(superblock)}: the source has none`,
    { checksum: info.checksum, kind: 'delta part' },
  );
}
