import { equalBytes, roundUp } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
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

/** The content of a commit stream and the objects that its external indices mean. */
export interface CommitStreamContent {
  readonly content: Uint8Array;
  /** In order of first use by the ids in ascending order: the object refs of the splitstream. */
  readonly objectRefs: readonly ObjectId[];
}

/**
 * Largest file that a stream holds inline, in bytes: twice the length of an object id. The image made from the stream
 * inlines exactly the same files. Source: OSTree spec 3.3.
 */
export function inlineMaxBytes(algorithm: VerityAlgorithm): number {
  return ALGORITHMS[algorithm].digestBytes * 2;
}

interface Entry {
  readonly data: Uint8Array;
  readonly external: ObjectId | undefined;
}

/**
 * Collects the objects of one commit and encodes them as composefs-ostree does, byte for byte. The order of adding has
 * no influence. Holds all metadata and inline content in memory.
 */
export class CommitStreamBuilder {
  readonly #entries = new Map<OstreeChecksum, Entry>();

  /** Number of objects. */
  get size(): number {
    return this.#entries.size;
  }

  /** True when an object was added. */
  has(checksum: OstreeChecksum): boolean {
    return this.#entries.has(checksum);
  }

  /** Adds a commit, dirtree or dirmeta: its bytes as they are. @throws FormatError OSTREE_STREAM_INVALID */
  addMetadata(checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.#add(checksum, { data: bytes, external: undefined });
  }

  /**
   * Adds a link, or a regular file of at most inlineMaxBytes bytes. `rawHeader` is the framed header as an archive
   * served it, so that the stream is the one composefs-ostree would write; else frameHeader(encodeZlibHeader(…)).
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
   * The content of the stream of a commit, which must have been added.
   * @throws FormatError OSTREE_STREAM_INVALID when the objects do not fit the format
   */
  encode(commit: OstreeChecksum): CommitStreamContent {
    const ids = [...this.#entries.keys()].sort();
    const entries = ids.map((id) => this.#entries.get(id) as Entry);
    const contentOffset = IDS_OFFSET + ids.length * (ID_BYTES + INFO_BYTES);
    let contentBytes = 0;
    for (const { data } of entries) contentBytes += roundUp(data.length, ALIGNMENT);
    if (contentBytes / ALIGNMENT > POSITION_MAX) failBuild('less content', `${contentBytes} bytes`);
    const content = new Uint8Array(contentOffset + contentBytes);
    const view = new DataView(content.buffer);
    const commitIndex = ids.indexOf(commit);
    if (commitIndex < 0) failBuild(`the commit ${commit}`, `${ids.length} other objects`);
    view.setUint32(COMMIT_INDEX_OFFSET, commitIndex, true);
    writeBuckets(view, ids);
    const table = Buffer.from(content.buffer, IDS_OFFSET, ids.length * ID_BYTES);
    ids.forEach((id, index) => {
      table.write(id, index * ID_BYTES, 'hex');
    });
    const infoOffset = IDS_OFFSET + ids.length * ID_BYTES;
    const objectRefs = writeEntries({ view, content, infoOffset, contentOffset }, entries);
    return { content, objectRefs };
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

/** What the stream becomes in the repository. */
export interface CommitStreamOptions {
  readonly algorithm: VerityAlgorithm;
  /** The image made from the stream; left out in the first version of a stream. */
  readonly image?: ObjectId | undefined;
  /** Further named refs, such as detached metadata. They make the stream's id differ from upstream's. */
  readonly namedRefs?: ReadonlyMap<string, ObjectId>;
}

/** The splitstream object of a commit: one inline chunk, every external object kept alive, the image as named ref. */
export async function encodeCommitStream(
  { content, objectRefs }: CommitStreamContent,
  options: CommitStreamOptions,
): Promise<Uint8Array> {
  using writer = new SplitstreamWriter({
    algorithm: options.algorithm,
    contentType: CONTENT_TYPES.ostreeCommit,
  });
  for (const id of objectRefs) writer.addObjectRef(id);
  if (options.image !== undefined) writer.addNamedRef(IMAGE_REF, options.image);
  for (const [name, id] of options.namedRefs ?? []) writer.addNamedRef(name, id);
  writer.writeInline(content);
  return await writer.finish();
}

function writeBuckets(view: DataView, ids: readonly OstreeChecksum[]): void {
  const counts = new Uint32Array(BUCKETS);
  for (const id of ids) {
    const first = Number.parseInt(id.slice(0, 2), 16);
    counts[first] = (counts[first] ?? 0) + 1;
  }
  let total = 0;
  counts.forEach((count, bucket) => {
    total += count;
    view.setUint32(BUCKETS_OFFSET + bucket * 4, total, true);
  });
}

interface Areas {
  readonly view: DataView;
  readonly content: Uint8Array;
  readonly infoOffset: number;
  readonly contentOffset: number;
}

/** Writes info and content of every object; returns the external objects in order of first use. */
function writeEntries(areas: Areas, entries: readonly Entry[]): ObjectId[] {
  const { view, content, infoOffset, contentOffset } = areas;
  const externals = new Map<ObjectId, number>();
  let position = 0;
  entries.forEach(({ data, external }, index) => {
    const at = infoOffset + index * INFO_BYTES;
    if (external !== undefined && !externals.has(external)) {
      externals.set(external, externals.size);
    }
    const externalIndex = external === undefined ? NO_EXTERNAL : (externals.get(external) ?? 0);
    view.setUint32(at + INFO_POSITION, position / ALIGNMENT, true);
    view.setUint32(at + INFO_LENGTH, data.length, true);
    view.setUint32(at + INFO_EXTERNAL, externalIndex, true);
    content.set(data, contentOffset + position);
    position += roundUp(data.length, ALIGNMENT);
  });
  return [...externals.keys()];
}

function failBuild(expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_STREAM_INVALID',
    `Cannot make commit stream: expected ${expected}, found ${found}`,
    { offset: 0, what: 'commit stream', expected, found },
  );
}
