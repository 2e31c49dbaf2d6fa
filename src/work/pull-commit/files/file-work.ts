import { concatBytes } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  computeFileChecksum,
  computeFramedChecksum,
  encodeFileHeader,
  encodeZlibHeader,
  FILE_MAX_BYTES,
  FileHasher,
  frameHeader,
  HEADER_PREFIX_BYTES,
  inflateContent,
  inflateSource,
  inlineMaxBytes,
  isLinkMode,
  isPrefixClear,
  isSorted,
  METADATA_MAX_BYTES,
  parseFilez,
  parseHeaderPrefix,
  parseZlibHeader,
  requireNoLinkPayload,
  type SizedFileHeader,
} from '#formats/ostree';
import { cloneFile, openVerityHasher, readPieces, tryOpenInflater, writeAll } from '#host';
import type { StagedObject } from '#stores/composefs';
import type { OstreeFile, OstreeRepo } from '#stores/ostree';
import { encodeRecord, type ObjectRecord } from '../gather/records.ts';
import type { FileTools } from './file-tools.ts';

/** An archive object up to this size is read in one call, in bytes. */
const STORED_AT_ONCE_BYTES = 1024 * 1024;
/** Content above this is never held whole, in bytes. */
export const WHOLE_MAX_BYTES = 4 * 1024 * 1024;

/** A file object that was verified, and what remains to be done to store it. */
export interface Absorbed {
  readonly checksum: OstreeChecksum;
  readonly rawHeader: Uint8Array;
  /** Empty for links. */
  readonly content: Uint8Array;
  /** True for content that stays in the commit stream and gets no object. */
  readonly isInline: boolean;
}

/** A file in the repository. */
export interface StoredFile {
  readonly record: ObjectRecord;
  /** Bytes of the record, as the journal has them. */
  readonly encoded: Uint8Array;
}

/**
 * Takes a `.filez` apart and verifies it; nothing is written yet. Undefined when its content is too large to be held whole:
 * use absorbStream.
 * @throws FormatError of the parsers; IntegrityError OSTREE_CHECKSUM_MISMATCH
 */
export function absorbFilez(
  checksum: OstreeChecksum,
  filez: Uint8Array,
  tools: FileTools,
): Absorbed | undefined {
  const { header, hashedHeader, rawHeader, payload } = openFilez(filez);
  if (header.sizeBytes > WHOLE_MAX_BYTES) return undefined;
  using inflater = tryOpenInflater();
  const content = inflateContent(header, payload, inflater, tools.warn);
  requireSum(checksum, computeFramedChecksum(hashedHeader, content));
  warnOfHeader(header, rawHeader, tools);
  // Copied, because a view would keep the whole file in memory as long as the commit is being gathered.
  return absorbContent({ checksum, header, rawHeader: new Uint8Array(rawHeader) }, content, tools);
}

/** Says what is odd about the header of an archived file object. */
function warnOfHeader(header: SizedFileHeader, rawHeader: Uint8Array, tools: FileTools): void {
  if (!isPrefixClear(rawHeader)) tools.warn('PREFIX_PADDING');
  if (header.xattrs.length > 1 && !isSorted(header.xattrs)) tools.warn('XATTRS_UNSORTED');
}

const EMPTY = new Uint8Array(0);
/** Where the size stands in a framed header: a big-endian number right behind the prefix. Source: OSTree spec 2.3, 2.6. */
const SIZE_AT = HEADER_PREFIX_BYTES;
const SIZE_END = SIZE_AT + 8;

/** A file object as an archive or a commit stream holds it, taken apart. */
export interface OpenFilez {
  readonly header: SizedFileHeader;
  /** The framed header as it is hashed. */
  readonly hashedHeader: Uint8Array;
  readonly rawHeader: Uint8Array;
  /** What follows the header: compressed content in an archive, content in a commit stream. */
  readonly payload: Uint8Array;
}

interface SeenHeader {
  readonly header: SizedFileHeader;
  readonly hashedHeader: Uint8Array;
}

/** Headers by everything in them but the size: most files of a commit share a handful. */
const seenHeaders = new Map<string, SeenHeader>();
const SEEN_HEADERS_MAX = 512;
/** The one that the last file had: the next has it most often. */
let lastHeader: { readonly raw: Uint8Array; readonly seen: SeenHeader } | undefined;

/** The header in its frame, as parseZlibHeader reads it; many files share theirs but for the size. */
export function parseRawHeader(rawHeader: Uint8Array): SizedFileHeader {
  return openFilez(rawHeader).header;
}

/** Throws what `openFilez` does of a header. */
export function requireHeader(filez: Uint8Array): void {
  const headerEnd = HEADER_PREFIX_BYTES + parseHeaderPrefix(filez);
  if (!isLikeLast(filez, headerEnd) || sizeIn(filez) > FILE_MAX_BYTES) openFilez(filez);
}

/** As parseFilez, without parsing and encoding again what an earlier file had as well. Views. @throws as parseFilez */
export function openFilez(filez: Uint8Array): OpenFilez {
  const headerEnd = HEADER_PREFIX_BYTES + parseHeaderPrefix(filez);
  const seen = openHeader(filez, headerEnd);
  if (seen !== undefined) {
    return {
      ...seen,
      rawHeader: filez.subarray(0, headerEnd),
      payload: filez.subarray(headerEnd),
    };
  }
  // A copy: the values of xattrs are views, and the file belongs to the caller. (A Buffer's own slice would be a view as well.)
  const rawHeader = new Uint8Array(filez.subarray(0, headerEnd));
  const header = parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES));
  const payload = filez.subarray(headerEnd);
  requireNoLinkPayload(header, payload.length);
  const hashedHeader = frameHeader(encodeFileHeader(header));
  if (seenHeaders.size < SEEN_HEADERS_MAX && !isLinkMode(header.mode)) {
    seenHeaders.set(headerKey(filez, headerEnd), { header, hashedHeader });
  }
  return { header, hashedHeader, rawHeader, payload };
}

/** The header that an earlier file had as well, with the size of this one; undefined when it is new. */
function openHeader(filez: Uint8Array, headerEnd: number): SeenHeader | undefined {
  const isLast = isLikeLast(filez, headerEnd);
  const seen = isLast ? lastHeader?.seen : seenHeaders.get(headerKey(filez, headerEnd));
  if (seen === undefined) return undefined;
  if (!isLast) lastHeader = { raw: new Uint8Array(filez.subarray(0, headerEnd)), seen };
  const sizeBytes = sizeIn(filez);
  if (sizeBytes > FILE_MAX_BYTES) return undefined;
  return { header: { ...seen.header, sizeBytes }, hashedHeader: seen.hashedHeader };
}

function sizeIn(filez: Uint8Array): number {
  let sizeBytes = 0;
  for (let at = SIZE_AT; at < SIZE_END; at++) sizeBytes = sizeBytes * 256 + (filez[at] as number);
  return sizeBytes;
}

/**
 * True when a header is the same as that of the last file but perhaps for the size. The prefix is not looked at beyond the length that it
 * gives.
 */
function isLikeLast(filez: Uint8Array, headerEnd: number): boolean {
  const raw = lastHeader?.raw;
  if (raw?.length !== headerEnd) return false;
  for (let at = SIZE_END; at < headerEnd; at++) if (raw[at] !== filez[at]) return false;
  return true;
}

function headerKey(filez: Uint8Array, headerEnd: number): string {
  const start = Math.min(SIZE_END, headerEnd);
  return Buffer.from(filez.buffer, filez.byteOffset, headerEnd).toString('latin1', start);
}

/** A file whose content is at hand and was verified. */
export function absorbContent(
  { checksum, header, rawHeader }: FileHead,
  content: Uint8Array,
  { algorithm }: FileTools,
): Absorbed {
  const isInline = isLinkMode(header.mode) || header.sizeBytes <= inlineMaxBytes(algorithm);
  return { checksum, rawHeader, content, isInline };
}

/** A file object but for its content. */
export interface FileHead {
  readonly checksum: OstreeChecksum;
  readonly header: SizedFileHeader;
  readonly rawHeader: Uint8Array;
}

/** Records verified files and makes their objects visible, in this order; returns them in theirs. @throws HostError */
export function storeAbsorbed(files: readonly Absorbed[], tools: FileTools): StoredFile[] {
  const external = files.filter(({ isInline }) => !isInline);
  const ids = tools.idsOf(external.map(({ content }) => content));
  let next = 0;
  const stored = files.map(({ checksum, rawHeader, content, isInline }): StoredFile => {
    const sizeBytes = content.length;
    const record: ObjectRecord = isInline
      ? { kind: 'inline', checksum, rawHeader, content }
      : { kind: 'external', checksum, rawHeader, id: ids[next++] as ObjectId, sizeBytes };
    return { record, encoded: encodeRecord(record) };
  });
  if (tools.journalFd !== undefined && files.length > 0) {
    writeAll(tools.journalFd, concatBytes(stored.map(({ encoded }) => encoded)));
  }
  for (const [index, { content }] of external.entries()) {
    tools.writer.publishBytes(ids[index] as ObjectId, content);
  }
  return stored;
}

/**
 * Takes a `.filez` of any size from a source: inflate, checksum, fs-verity and object in one pass, memory bounded.
 * @throws as absorbFilez; errors of the source pass unchanged
 */
export async function absorbStream(
  checksum: OstreeChecksum,
  source: AsyncIterable<Uint8Array>,
  tools: FileTools,
): Promise<ObjectRecord> {
  const iterator = source[Symbol.asyncIterator]();
  const rest = {
    async *[Symbol.asyncIterator]() {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    },
  };
  try {
    const { rawHeader, start } = await readHeader(iterator);
    const header = parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES));
    warnOfHeader(header, rawHeader, tools);
    const payload = prepend(start, rest);
    if (isLinkMode(header.mode)) {
      for await (const piece of payload) requireNoLinkPayload(header, piece.length);
    }
    const content = isLinkMode(header.mode) ? [] : inflateSource(payload, header.sizeBytes);
    return await absorbPieces(checksum, header, rawHeader, content, tools);
  } finally {
    await iterator.return?.();
  }
}

/** Takes a small file object of a local archive; undefined for those that absorbLocal must take. Nothing is written yet. */
export function absorbLocalFilez(
  repo: OstreeRepo,
  checksum: OstreeChecksum,
  tools: FileTools,
): Absorbed | undefined {
  const stored = repo.readFilez(checksum, STORED_AT_ONCE_BYTES);
  return stored === undefined ? undefined : absorbFilez(checksum, stored, tools);
}

/** Takes a file object of a local repository, sharing its extents with the new object where the filesystem can. */
export async function absorbLocal(file: OstreeFile, tools: FileTools): Promise<ObjectRecord> {
  const { checksum, header, plain } = file;
  const rawHeader = file.rawHeader ?? frameHeader(encodeZlibHeader(header));
  const isSmall = isLinkMode(header.mode) || header.sizeBytes <= inlineMaxBytes(tools.algorithm);
  if (plain === undefined || isSmall) {
    return absorbPieces(checksum, header, rawHeader, file.content(), tools);
  }
  using staged = tools.writer.stage();
  const isShared = cloneFile(plain, staged.fd);
  const hashes = new FileHashes(header, tools.algorithm);
  // The clone is read, not the source: another process may change the source between the two steps.
  for (const piece of readPieces(isShared ? staged.fd : plain)) {
    hashes.update(piece);
    if (!isShared) staged.write(piece);
  }
  return publishStaged({ checksum, header, rawHeader }, hashes, staged, tools);
}

async function absorbPieces(
  checksum: OstreeChecksum,
  header: SizedFileHeader,
  rawHeader: Uint8Array,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  tools: FileTools,
): Promise<ObjectRecord> {
  if (isLinkMode(header.mode) || header.sizeBytes <= WHOLE_MAX_BYTES) {
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(new Uint8Array(piece));
    const bytes = concatBytes(pieces);
    requireSize(checksum, header, bytes.length);
    requireSum(checksum, computeFileChecksum(header, bytes));
    const absorbed = absorbContent({ checksum, header, rawHeader }, bytes, tools);
    const [stored] = storeAbsorbed([absorbed], tools);
    return (stored as StoredFile).record;
  }
  using staged = tools.writer.stage();
  const hashes = new FileHashes(header, tools.algorithm);
  for await (const piece of content) {
    hashes.update(piece);
    staged.write(piece);
  }
  return publishStaged({ checksum, header, rawHeader }, hashes, staged, tools);
}

/** Verifies a staged content, notes the record, and only then publishes the object. @throws as `FileHashes.finish` */
function publishStaged(
  file: FileHead,
  hashes: FileHashes,
  staged: StagedObject,
  tools: FileTools,
): ObjectRecord {
  const { checksum, rawHeader, header } = file;
  const id = hashes.finish(checksum);
  const record = {
    kind: 'external',
    checksum,
    rawHeader,
    id,
    sizeBytes: header.sizeBytes,
  } as const;
  journal(record, tools);
  staged.publish(id);
  return record;
}

/** Both digests of a content that passes by, and its size. */
class FileHashes {
  readonly #header: SizedFileHeader;
  readonly #sum: FileHasher;
  readonly #verity: VerityHasher;
  #sizeBytes = 0;

  constructor(header: SizedFileHeader, algorithm: VerityAlgorithm) {
    this.#header = header;
    this.#sum = new FileHasher(header);
    this.#verity = openVerityHasher(algorithm);
  }

  update(piece: Uint8Array): void {
    this.#sizeBytes += piece.length;
    this.#sum.update(piece);
    this.#verity.update(piece);
  }

  /** The object id, once size and checksum are right. */
  finish(checksum: OstreeChecksum) {
    requireSize(checksum, this.#header, this.#sizeBytes);
    requireSum(checksum, this.#sum.finish());
    return this.#verity.finish();
  }
}

function journal(record: ObjectRecord, tools: FileTools): void {
  if (tools.journalFd !== undefined) writeAll(tools.journalFd, encodeRecord(record));
}

/** Reads pieces until the framed header is complete; `start` is what came after it. */
async function readHeader(
  iterator: AsyncIterator<Uint8Array>,
): Promise<{ rawHeader: Uint8Array; start: Uint8Array }> {
  let held: Uint8Array = new Uint8Array(0);
  for (;;) {
    if (held.length >= HEADER_PREFIX_BYTES) {
      const end = HEADER_PREFIX_BYTES + parseHeaderPrefix(held, METADATA_MAX_BYTES);
      if (held.length >= end)
        return { rawHeader: new Uint8Array(held.subarray(0, end)), start: held.subarray(end) };
    }
    const next = await iterator.next();
    if (next.done === true) {
      // The parser says what is lacking; it cannot be content with less than the whole header.
      return { rawHeader: parseFilez(held).rawHeader, start: EMPTY };
    }
    held = concatBytes([held, next.value]);
  }
}

async function* prepend(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* rest;
}

function requireSize(checksum: OstreeChecksum, header: SizedFileHeader, found: number): void {
  if (found === header.sizeBytes || isLinkMode(header.mode)) return;
  throw new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot accept file object ${checksum}: expected ${header.sizeBytes} bytes, found ${found}`,
    { id: checksum, expected: header.sizeBytes, found },
  );
}

function requireSum(expected: OstreeChecksum, found: OstreeChecksum): void {
  if (found === expected) return;
  throw new IntegrityError(
    'OSTREE_CHECKSUM_MISMATCH',
    `Cannot accept file object ${expected}: its header and content have the checksum ${found}`,
    { expected, found, what: 'file' },
  );
}
