import { concatBytes, encodeHex } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { FormatError, NotFoundError } from '#base/errors';
import { atOnce, STEP_ITEMS, type Steps } from '#base/flow';
import { objectIdBytes } from '#formats/fsverity';
import type { Splitstream } from '#formats/splitstream';
import { HEADER_PREFIX_BYTES } from '../layout.ts';
import { parseHeaderPrefix, parseZlibHeader, type SizedFileHeader } from '../objects/file.ts';
import type { ObjectKind } from '../objects/objects.ts';
import type { XattrRules } from '../objects/xattrs.ts';
import {
  ALIGNMENT,
  BUCKETS,
  BUCKETS_OFFSET,
  COMMIT_INDEX_OFFSET,
  FLAGS_OFFSET,
  ID_BYTES,
  IDS_OFFSET,
  INFO_BYTES,
  INFO_EXTERNAL,
  INFO_LENGTH,
  INFO_POSITION,
  NO_EXTERNAL,
  STREAM_MAX_BYTES,
} from './commit-stream-layout.ts';

/** One object of a stream. Its kind follows from the object that refers to it. */
export interface StreamObject {
  readonly checksum: OstreeChecksum;
  /** Metadata, or framed header and inline content of a file. A view. */
  readonly data: Uint8Array;
  /** The object with the content of a larger file. */
  readonly external: ObjectId | undefined;
  /** Start of the data, from the start of the content area. */
  readonly offset: number;
}

/** A parsed file of a stream. */
export interface StreamFile {
  readonly header: SizedFileHeader;
  /** Header with its prefix, as stored. A view. */
  readonly rawHeader: Uint8Array;
  /** Content of an inline file (empty for links and externals). A view. */
  readonly inline: Uint8Array;
  readonly external: ObjectId | undefined;
}

/** The id of the current lookup. Shared, because there are tens of thousands of lookups. */
const WANTED = Buffer.alloc(ID_BYTES);

/** An open commit stream: its table is verified at opening, objects are looked up on demand. */
export class CommitStream {
  readonly commit: OstreeChecksum;
  readonly flags: number;
  /** Number of objects. */
  readonly size: number;
  readonly objectRefs: readonly ObjectId[];
  readonly content: Uint8Array;
  #objectDigests: Uint8Array<ArrayBuffer> | undefined;
  readonly #view: DataView;
  readonly #infoOffset: number;
  readonly #contentOffset: number;

  /**
   * @param objectDigests `objectRefs` as bytes, if available
   * @param checks `later`: the caller verifies the table, as `inSteps` does
   * @throws FormatError OSTREE_STREAM_INVALID
   */
  constructor(
    content: Uint8Array,
    objectRefs: readonly ObjectId[],
    objectDigests?: Uint8Array<ArrayBuffer>,
    checks: 'now' | 'later' = 'now',
  ) {
    this.content = content;
    this.objectRefs = objectRefs;
    this.#objectDigests = objectDigests;
    this.#view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    if (content.length < IDS_OFFSET) failStream(0, `${IDS_OFFSET} bytes`, `${content.length}`);
    this.size = this.#view.getUint32(BUCKETS_OFFSET + (BUCKETS - 1) * 4, true);
    this.#infoOffset = IDS_OFFSET + this.size * ID_BYTES;
    this.#contentOffset = this.#infoOffset + this.size * INFO_BYTES;
    if (this.#contentOffset > content.length) {
      failStream(IDS_OFFSET, `room for ${this.size} objects`, `${content.length} bytes`);
    }
    this.flags = this.#view.getUint32(FLAGS_OFFSET, true);
    if (this.flags !== 0) failStream(FLAGS_OFFSET, 'flags 0', String(this.flags));
    const commit = this.#view.getUint32(COMMIT_INDEX_OFFSET, true);
    if (commit >= this.size)
      failStream(COMMIT_INDEX_OFFSET, `an index below ${this.size}`, `${commit}`);
    if (checks === 'now') atOnce(this.#checkTable());
    this.commit = this.#idAt(commit);
  }

  /** Opens a stream in steps. @throws as the constructor */
  static *inSteps(
    content: Uint8Array,
    objectRefs: readonly ObjectId[],
    objectDigests?: Uint8Array<ArrayBuffer>,
  ): Steps<CommitStream> {
    const stream = new CommitStream(content, objectRefs, objectDigests, 'later');
    yield* stream.#checkTable();
    return stream;
  }

  /** The digests of `objectRefs`, concatenated in a buffer of their own. */
  get objectDigests(): Uint8Array<ArrayBuffer> {
    this.#objectDigests ??= new Uint8Array(concatBytes(this.objectRefs.map(objectIdBytes)));
    return this.#objectDigests;
  }

  /** The object with this id, or undefined. */
  find(checksum: OstreeChecksum): StreamObject | undefined {
    const index = this.indexOf(checksum);
    return index === undefined ? undefined : this.#objectAt(index, checksum);
  }

  /** True when the stream contains an object. */
  has(checksum: OstreeChecksum): boolean {
    return this.indexOf(checksum) !== undefined;
  }

  /** The object at an index of the table, 0 to size − 1. */
  at(index: number): StreamObject {
    return this.#objectAt(index, this.#idAt(index));
  }

  /** Index of an object in the table, or undefined. */
  indexOf(checksum: OstreeChecksum): number | undefined {
    const wanted = WANTED;
    if (wanted.write(checksum, 'hex') !== ID_BYTES) return undefined;
    const index = this.#lowerBound();
    return index < this.size && this.#compareAt(index, wanted) === 0 ? index : undefined;
  }

  /** The index of the first object whose id is not below this one; `size` without one. */
  lowerBound(checksum: OstreeChecksum): number {
    WANTED.write(checksum, 'hex');
    return this.#lowerBound();
  }

  /** The data of the object at an index. */
  dataAt(index: number): Uint8Array {
    const start = this.#contentOffset + this.offsetAt(index);
    return this.content.subarray(start, start + this.lengthAt(index));
  }

  /** Start of the data of the object at an index, from the start of the content area. */
  offsetAt(index: number): number {
    return this.#infoAt(index, INFO_POSITION) * ALIGNMENT;
  }

  /** Length of the data of the object at an index, in bytes. */
  lengthAt(index: number): number {
    return this.#infoAt(index, INFO_LENGTH);
  }

  /** Index in `objectRefs` of the content of the object at an index; undefined without external content. */
  externalAt(index: number): number | undefined {
    const external = this.#infoAt(index, INFO_EXTERNAL);
    return external === NO_EXTERNAL ? undefined : external;
  }

  /** The ids from index `start` up to `end`, concatenated. A view. */
  idsBetween(start: number, end: number): Uint8Array {
    return this.content.subarray(IDS_OFFSET + start * ID_BYTES, IDS_OFFSET + end * ID_BYTES);
  }

  #infoAt(index: number, field: number): number {
    return this.#view.getUint32(this.#infoOffset + index * INFO_BYTES + field, true);
  }

  #objectAt(index: number, checksum: OstreeChecksum): StreamObject {
    const external = this.externalAt(index);
    return {
      checksum,
      data: this.dataAt(index),
      external: external === undefined ? undefined : this.objectRefs[external],
      offset: this.offsetAt(index),
    };
  }

  /** All objects in ascending order of their ids. */
  *objects(): Generator<StreamObject> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }

  /**
   * The bytes of a commit, dirtree or dirmeta; not hashed again.
   * @throws NotFoundError OSTREE_OBJECT_NOT_FOUND
   */
  metadata(checksum: OstreeChecksum, kind: ObjectKind): Uint8Array {
    return this.#need(checksum, kind).data;
  }

  /**
   * A parsed file. Xattr names without their NUL are accepted by default, because composefs-ostree wrote
   * such streams.
   * @throws NotFoundError OSTREE_OBJECT_NOT_FOUND; FormatError of parseZlibHeader
   */
  file(checksum: OstreeChecksum, rules: XattrRules = { acceptUnterminated: true }): StreamFile {
    const { data, external } = this.#need(checksum, 'file');
    const headerEnd = HEADER_PREFIX_BYTES + parseHeaderPrefix(data);
    const header = parseZlibHeader(data.subarray(HEADER_PREFIX_BYTES, headerEnd), rules);
    return {
      header,
      rawHeader: data.subarray(0, headerEnd),
      inline: data.subarray(headerEnd),
      external,
    };
  }

  /** Length of the content area, in bytes. */
  get contentBytes(): number {
    return this.content.length - this.#contentOffset;
  }

  /** The bytes of the content area between two offsets; a view. */
  contentBetween(start: number, end: number): Uint8Array {
    return this.content.subarray(this.#contentOffset + start, this.#contentOffset + end);
  }

  #need(checksum: OstreeChecksum, kind: ObjectKind): StreamObject {
    const found = this.find(checksum);
    if (found !== undefined) return found;
    throw new NotFoundError(
      'OSTREE_OBJECT_NOT_FOUND',
      `Cannot find ${kind} ${checksum} in the stream of commit ${this.commit}`,
      { object: `${checksum}.${kind}` },
    );
  }

  #idAt(index: number): OstreeChecksum {
    const at = IDS_OFFSET + index * ID_BYTES;
    return encodeHex(this.content.subarray(at, at + ID_BYTES)) as OstreeChecksum;
  }

  /** Lower bound of the id in WANTED. */
  #lowerBound(): number {
    const wanted = WANTED;
    const bucket = wanted[0] ?? 0;
    let low = bucket === 0 ? 0 : this.#bucket(bucket - 1);
    let high = this.#bucket(bucket);
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#compareAt(middle, wanted) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Byte by byte: nearly all ids differ in the first few bytes. */
  #compareAt(index: number, wanted: Uint8Array, wantedAt = 0): number {
    const { content } = this;
    const at = IDS_OFFSET + index * ID_BYTES;
    for (let byte = 0; byte < ID_BYTES; byte++) {
      const order = (content[at + byte] ?? 0) - (wanted[wantedAt + byte] ?? 0);
      if (order !== 0) return order;
    }
    return 0;
  }

  #bucket(bucket: number): number {
    return this.#view.getUint32(BUCKETS_OFFSET + bucket * 4, true);
  }

  *#checkTable(): Steps<void> {
    yield* this.#checkIds();
    yield* this.#checkInfo();
  }

  /** Verifies that ids ascend without repetition, and that the buckets count them. */
  *#checkIds(): Steps<void> {
    let index = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const end = this.#bucket(bucket);
      const at = BUCKETS_OFFSET + bucket * 4;
      if (end < index || end > this.size) failStream(at, `a count from ${index}`, String(end));
      for (; index < end; index++) {
        if (index % STEP_ITEMS === 0) yield;
        const id = IDS_OFFSET + index * ID_BYTES;
        if (this.content[id] !== bucket) failStream(id, `an id of bucket ${bucket}`, 'another');
        if (index > 0 && this.#compareAt(index - 1, this.content, id) >= 0) {
          failStream(id, 'ascending ids', `index ${index} out of order`);
        }
      }
    }
  }

  /** Verifies that data lies inside the content, and external indices inside `objectRefs`. */
  *#checkInfo(): Steps<void> {
    for (let index = 0; index < this.size; index++) {
      if (index % STEP_ITEMS === 0) yield;
      const info = this.#infoOffset + index * INFO_BYTES;
      const offset = this.#view.getUint32(info + INFO_POSITION, true) * ALIGNMENT;
      const end = offset + this.#view.getUint32(info + INFO_LENGTH, true);
      if (end > this.contentBytes) failStream(info, `an end up to ${this.contentBytes}`, `${end}`);
      const external = this.#view.getUint32(info + INFO_EXTERNAL, true);
      if (external !== NO_EXTERNAL && external >= this.objectRefs.length) {
        const expected = `an external index below ${this.objectRefs.length}`;
        failStream(info + INFO_EXTERNAL, expected, String(external));
      }
    }
  }
}

/**
 * Reads the commit stream from an open splitstream and checks its table: counts, ascending ids, offsets, indices.
 * Hashes are not verified; checkCommitStream does that.
 * @throws FormatError OSTREE_STREAM_INVALID and those of the splitstream body
 */
export function readCommitStream(stream: Splitstream): CommitStream {
  return atOnce(readCommitStreamInSteps(stream));
}

/** As `readCommitStream`, in steps. */
export function* readCommitStreamInSteps(stream: Splitstream): Steps<CommitStream> {
  const content = yield* readInlineInSteps(stream);
  return yield* CommitStream.inSteps(content, stream.objectRefs, stream.objectDigests);
}

/** The inline bytes of a splitstream that has no external parts in its body. @throws FormatError OSTREE_STREAM_INVALID */
export function readInline(stream: Splitstream): Uint8Array {
  return atOnce(readInlineInSteps(stream));
}

function* readInlineInSteps(stream: Splitstream): Steps<Uint8Array> {
  let content = new Uint8Array(Math.min(stream.sizeBytes, 64 * 1024));
  let length = 0;
  for (const part of stream.parts()) {
    if (part.kind === 'external') return failStream(length, 'inline bytes', 'an external object');
    const needed = length + part.bytes.length;
    if (needed > STREAM_MAX_BYTES) failStream(length, `at most ${STREAM_MAX_BYTES} bytes`, 'more');
    if (needed > content.length) {
      const larger = new Uint8Array(Math.max(needed, content.length * 2));
      larger.set(content.subarray(0, length));
      content = larger;
    }
    content.set(part.bytes, length);
    length = needed;
    yield;
  }
  return content.subarray(0, length);
}

function failStream(offset: number, expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_STREAM_INVALID',
    `Cannot read commit stream at ${offset}: expected ${expected}, found ${found}`,
    { offset, what: 'commit stream', expected, found },
  );
}
