import { equalBytes, roundUp } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import { atOnce, inTurns, type OperationOptions, STEP_ITEMS, type Steps } from '#base/flow';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import {
  ALIGNMENT,
  BUCKETS,
  BUCKETS_OFFSET,
  COMMIT_INDEX_OFFSET,
  ID_BYTES,
  IDS_OFFSET,
  IMAGE_REF,
  INFO_BYTES,
  INFO_EXTERNAL,
  INFO_LENGTH,
  INFO_POSITION,
  NO_EXTERNAL,
  OBJECT_DATA_MAX_BYTES,
  POSITION_MAX,
} from './commit-stream-layout.ts';
import type { CommitStream } from './commit-stream-reader.ts';

/** The content of a commit stream and the objects of its external indices. */
export interface CommitStreamContent {
  readonly content: Uint8Array;
  /** In order of first use by ascending ids: the object refs of the splitstream. */
  readonly objectRefs: readonly ObjectId[];
}

/**
 * Largest file that a stream stores inline, in bytes: twice the length of an object id. The image made from the stream
 * inlines exactly the same files. Source: OSTree spec 3.3.
 */
export function inlineMaxBytes(algorithm: VerityAlgorithm): number {
  return ALGORITHMS[algorithm].digestBytes * 2;
}

/** Objects in ascending order: one added object, or several adjacent objects of the base. */
type Run =
  | { readonly id: OstreeChecksum; readonly entry: Entry }
  | {
      readonly id: undefined;
      readonly entry: undefined;
      readonly base: CommitStream;
      readonly start: number;
      readonly end: number;
    };

interface Merged {
  readonly runs: readonly Run[];
  readonly count: number;
  /** Length of all data including padding. */
  readonly contentBytes: number;
}

interface Entry {
  readonly data: Uint8Array;
  readonly external: ObjectId | undefined;
}

/**
 * Collects the objects of one commit and encodes them as composefs-ostree does, byte for byte. The order of adding does
 * not matter. Holds all metadata and inline content in memory.
 */
export class CommitStreamBuilder {
  readonly #entries = new Map<OstreeChecksum, Entry>();
  readonly #base: CommitStream | undefined;
  /** 1 for each object taken from the base. */
  readonly #taken: Uint8Array;

  /** @param base a commit that shares many objects with this one: see `take` */
  constructor(base?: CommitStream) {
    this.#base = base;
    this.#taken = new Uint8Array(base?.size ?? 0);
  }

  /** Number of added objects. */
  get size(): number {
    return this.#entries.size;
  }

  /** True when an object was added or taken from the base. */
  has(checksum: OstreeChecksum): boolean {
    if (this.#entries.has(checksum)) return true;
    const index = this.#base?.indexOf(checksum);
    return index !== undefined && this.#taken[index] === 1;
  }

  /** Takes the object at an index of the base unchanged. Returns false when it was taken before. */
  take(index: number): boolean {
    if (this.#taken[index] === 1) return false;
    this.#taken[index] = 1;
    return true;
  }

  /** Adds a commit, dirtree or dirmeta with unchanged bytes. @throws FormatError OSTREE_STREAM_INVALID */
  addMetadata(checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.#add(checksum, { data: bytes, external: undefined });
  }

  /**
   * Adds a link, or a regular file of at most inlineMaxBytes bytes. `rawHeader` is the framed header as an archive
   * served it, so that the stream equals composefs-ostree's; without one, frameHeader(encodeZlibHeader(…)).
   * @throws FormatError OSTREE_STREAM_INVALID
   */
  addInlineFile(checksum: OstreeChecksum, rawHeader: Uint8Array, content: Uint8Array): void {
    const data = new Uint8Array(rawHeader.length + content.length);
    data.set(rawHeader);
    data.set(content, rawHeader.length);
    this.#add(checksum, { data, external: undefined });
  }

  /** Adds a larger file whose content is an object of the repository. @throws FormatError OSTREE_STREAM_INVALID */
  addExternalFile(checksum: OstreeChecksum, rawHeader: Uint8Array, id: ObjectId): void {
    this.#add(checksum, { data: rawHeader, external: id });
  }

  /**
   * Encodes the stream of a commit, which must have been added.
   * @throws FormatError OSTREE_STREAM_INVALID when the objects do not fit the format
   */
  encode(commit: OstreeChecksum): CommitStreamContent {
    return atOnce(this.encodeInSteps(commit));
  }

  /** As `encode`, in steps. */
  *encodeInSteps(commit: OstreeChecksum): Steps<CommitStreamContent> {
    const merged = yield* this.#merge();
    const { count } = merged;
    const contentOffset = IDS_OFFSET + count * (ID_BYTES + INFO_BYTES);
    const { contentBytes } = merged;
    if (contentBytes / ALIGNMENT > POSITION_MAX) failBuild('less content', `${contentBytes} bytes`);
    const content = new Uint8Array(contentOffset + contentBytes);
    const view = new DataView(content.buffer);
    const infoOffset = IDS_OFFSET + count * ID_BYTES;
    const writer = new StreamWriter({ view, content, infoOffset, contentOffset });
    const taken = this.#base?.indexOf(commit) ?? Number.POSITIVE_INFINITY;
    let commitIndex = -1;
    for (const [index, run] of merged.runs.entries()) {
      if (index % STEP_ITEMS === 0) yield;
      if (run.id === commit) commitIndex = writer.count;
      if (run.entry === undefined && run.start <= taken && taken < run.end) {
        commitIndex = writer.count + taken - run.start;
      }
      if (run.entry === undefined) writer.take(run.base, run.start, run.end);
      else writer.add(run.id, run.entry);
    }
    if (commitIndex < 0) failBuild(`the commit ${commit}`, `${count} other objects`);
    view.setUint32(COMMIT_INDEX_OFFSET, commitIndex, true);
    writeBuckets(view, count);
    return { content, objectRefs: writer.objectRefs };
  }

  /** All objects in ascending order of ids: added ones, and between them runs taken from the base. */
  *#merge(): Steps<Merged> {
    const runs: Run[] = [];
    let count = 0;
    let contentBytes = 0;
    let at = 0;
    const takeUpTo = (base: CommitStream, end: number): void => {
      while (at < end) {
        let start = at;
        while (start < end && this.#taken[start] === 0) start++;
        at = start;
        for (; at < end && this.#taken[at] === 1; at++) {
          contentBytes += roundUp(base.lengthAt(at), ALIGNMENT);
        }
        if (at > start) runs.push({ id: undefined, entry: undefined, base, start, end: at });
        count += at - start;
      }
    };
    for (const [index, id] of (yield* sortedIds(this.#entries.keys())).entries()) {
      if (index % STEP_ITEMS === 0) yield;
      const entry = this.#entries.get(id) as Entry;
      if (this.#base !== undefined) {
        takeUpTo(this.#base, this.#base.lowerBound(id));
        if (this.#isTaken(this.#base, id, entry)) at++;
      }
      runs.push({ id, entry });
      contentBytes += roundUp(entry.data.length, ALIGNMENT);
      count++;
    }
    if (this.#base !== undefined) takeUpTo(this.#base, this.#base.size);
    return { runs, count, contentBytes };
  }

  /** True when an added object was taken as well. @throws FormatError OSTREE_STREAM_INVALID when the two differ */
  #isTaken(base: CommitStream, id: OstreeChecksum, entry: Entry): boolean {
    const index = base.indexOf(id);
    if (index === undefined || this.#taken[index] === 0) return false;
    const external = base.externalAt(index);
    const isSame =
      entry.external === (external === undefined ? undefined : base.objectRefs[external]);
    if (!isSame || !equalBytes(entry.data, base.dataAt(index))) {
      failBuild(`one content for ${id}`, 'two');
    }
    return true;
  }

  #add(checksum: OstreeChecksum, entry: Entry): void {
    const known = this.#entries.get(checksum);
    if (entry.data.length > OBJECT_DATA_MAX_BYTES) {
      failBuild(`an object of at most ${OBJECT_DATA_MAX_BYTES} bytes`, `${entry.data.length}`);
    }
    if (known === undefined) this.#entries.set(checksum, entry);
    else if (!equalBytes(known.data, entry.data) || known.external !== entry.external) {
      failBuild(`one content for ${checksum}`, 'two');
    }
  }
}

/** Ids in ascending order. Those that begin with the same byte are sorted together, because sorting all of them takes too long for a step. */
function* sortedIds(ids: Iterable<OstreeChecksum>): Steps<OstreeChecksum[]> {
  const buckets = new Map<string, OstreeChecksum[]>();
  let count = 0;
  for (const id of ids) {
    if (count % STEP_ITEMS === 0) yield;
    count += 1;
    const first = id.slice(0, 2);
    const bucket = buckets.get(first);
    if (bucket === undefined) buckets.set(first, [id]);
    else bucket.push(id);
  }
  const sorted: OstreeChecksum[] = [];
  for (const first of [...buckets.keys()].sort()) {
    for (const id of (buckets.get(first) as OstreeChecksum[]).sort()) sorted.push(id);
    yield;
  }
  return sorted;
}

/** Options for the splitstream of a commit. */
export interface CommitStreamOptions extends Pick<OperationOptions, 'signal'> {
  readonly algorithm: VerityAlgorithm;
  /** The image made from the stream; absent in the first version of a stream. */
  readonly image?: ObjectId | undefined;
  /** Further named refs, such as detached metadata. They make the stream's id differ from upstream's. */
  readonly namedRefs?: ReadonlyMap<string, ObjectId>;
}

/** Bytes that are passed to the writer in a step. */
const STEP_BYTES = 1 << 20;

/**
 * The splitstream object of a commit: one inline chunk, references to all external objects, the image as named ref.
 * @throws the reason of the signal
 */
export async function encodeCommitStream(
  { content, objectRefs }: CommitStreamContent,
  options: CommitStreamOptions,
): Promise<Uint8Array> {
  using writer = new SplitstreamWriter({
    algorithm: options.algorithm,
    contentType: CONTENT_TYPES.ostreeCommit,
  });
  await inTurns(writeParts(writer, { content, objectRefs }), options);
  if (options.image !== undefined) writer.addNamedRef(IMAGE_REF, options.image);
  for (const [name, id] of options.namedRefs ?? []) writer.addNamedRef(name, id);
  return await writer.finish(options);
}

function* writeParts(
  writer: SplitstreamWriter,
  { content, objectRefs }: CommitStreamContent,
): Steps<void> {
  for (const [index, id] of objectRefs.entries()) {
    if (index % STEP_ITEMS === 0) yield;
    writer.addObjectRef(id);
  }
  for (let at = 0; at < content.length; at += STEP_BYTES) {
    yield;
    writer.writeInline(content.subarray(at, at + STEP_BYTES));
  }
}

/** Writes the buckets: counts of the ids in the table. */
function writeBuckets(view: DataView, count: number): void {
  const counts = new Uint32Array(BUCKETS);
  for (let index = 0; index < count; index++) {
    const first = view.getUint8(IDS_OFFSET + index * ID_BYTES);
    counts[first] = (counts[first] ?? 0) + 1;
  }
  let total = 0;
  counts.forEach((ofBucket, bucket) => {
    total += ofBucket;
    view.setUint32(BUCKETS_OFFSET + bucket * 4, total, true);
  });
}

interface Areas {
  readonly view: DataView;
  readonly content: Uint8Array;
  readonly infoOffset: number;
  readonly contentOffset: number;
}

/** Writes id, info and content of objects in ascending order; records the external objects in order of first use. */
class StreamWriter {
  readonly #areas: Areas;
  readonly #ids: Buffer;
  readonly #externals = new Map<ObjectId, number>();
  /** New external indices by the base's index; NO_EXTERNAL where not assigned yet. */
  #newPlaces = new Uint32Array(0);
  #position = 0;
  /** Objects written so far. */
  count = 0;

  constructor(areas: Areas) {
    this.#areas = areas;
    this.#ids = Buffer.from(areas.content.buffer);
  }

  get objectRefs(): ObjectId[] {
    return [...this.#externals.keys()];
  }

  add(id: OstreeChecksum, { data, external }: Entry): void {
    this.#ids.write(id, IDS_OFFSET + this.count * ID_BYTES, 'hex');
    const { content, contentOffset } = this.#areas;
    content.set(data, contentOffset + this.#position);
    this.#info(data.length, external === undefined ? NO_EXTERNAL : this.#place(external));
  }

  /** Copies adjacent objects of a base; their data is copied at once where it is contiguous too. */
  take(base: CommitStream, start: number, end: number): void {
    const { content, contentOffset } = this.#areas;
    content.set(base.idsBetween(start, end), IDS_OFFSET + this.count * ID_BYTES);
    if (this.#newPlaces.length !== base.objectRefs.length) {
      this.#newPlaces = new Uint32Array(base.objectRefs.length).fill(NO_EXTERNAL);
    }
    for (let first = start; first < end; ) {
      const from = base.offsetAt(first);
      const to = contentOffset + this.#position;
      let length = 0;
      let index = first;
      for (; index < end && base.offsetAt(index) === from + length; index++) {
        const bytes = base.lengthAt(index);
        length += roundUp(bytes, ALIGNMENT);
        this.#info(bytes, this.#placeOf(base, index));
      }
      content.set(base.contentBetween(from, from + length), to);
      this.#clearPadding(to, index - first);
      first = index;
    }
  }

  /** Clears the padding between objects, which may not be zero in the base. */
  #clearPadding(start: number, objects: number): void {
    const { view, content, infoOffset } = this.#areas;
    let at = start;
    for (let index = this.count - objects; index < this.count; index++) {
      const length = view.getUint32(infoOffset + index * INFO_BYTES + INFO_LENGTH, true);
      const end = at + roundUp(length, ALIGNMENT);
      for (at += length; at < end; at++) content[at] = 0;
    }
  }

  #placeOf(base: CommitStream, index: number): number {
    const old = base.externalAt(index);
    if (old === undefined) return NO_EXTERNAL;
    const known = this.#newPlaces[old] as number;
    if (known !== NO_EXTERNAL) return known;
    const place = this.#place(base.objectRefs[old] as ObjectId);
    this.#newPlaces[old] = place;
    return place;
  }

  #place(external: ObjectId): number {
    const known = this.#externals.get(external);
    if (known !== undefined) return known;
    this.#externals.set(external, this.#externals.size);
    return this.#externals.size - 1;
  }

  #info(lengthBytes: number, external: number): void {
    const { view, infoOffset } = this.#areas;
    const at = infoOffset + this.count * INFO_BYTES;
    view.setUint32(at + INFO_POSITION, this.#position / ALIGNMENT, true);
    view.setUint32(at + INFO_LENGTH, lengthBytes, true);
    view.setUint32(at + INFO_EXTERNAL, external, true);
    this.#position += roundUp(lengthBytes, ALIGNMENT);
    this.count++;
  }
}

function failBuild(expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_STREAM_INVALID',
    `Cannot make commit stream: expected ${expected}, found ${found}`,
    { offset: 0, what: 'commit stream', expected, found },
  );
}
