import { type ByteString, byteStringFromText } from '#base/bytes';
import { type ContentDigest, isContentDigest } from '#base/digest';
import type { TarTime } from '#formats/tar';
import type { RawTocEntry, TocKey } from './json/entry-keys.ts';
import { TocJsonParser } from './json/toc-json.ts';
import {
  TOC_ENTRIES_MAX,
  TOC_ENTRY_HELD_BYTES,
  TOC_HELD_BYTES_MAX,
  TOC_VERSION,
  TOC_XATTR_HELD_BYTES,
  TOC_XATTRS_MAX,
} from './layout.ts';
import { parseTocTime } from './time.ts';
import { failToc, UnusableToc } from './verdict.ts';

/** Kinds of entries that represent a member of the tar. */
export const TOC_TYPES = ['reg', 'hardlink', 'symlink', 'dir', 'char', 'block', 'fifo'] as const;
/** Kind of an entry. */
export type TocType = (typeof TOC_TYPES)[number];

/** A piece of a file: a range of the blob that inflates to it. */
export interface TocChunk {
  /** Offset in the file. */
  readonly fileOffset: number;
  readonly sizeBytes: number;
  /** Range of the blob: one or more complete frames. */
  readonly offset: number;
  readonly lengthBytes: number;
  readonly digest: ContentDigest;
  /** All zeros: a hole, which is not fetched. */
  readonly isZeros: boolean;
}

/** One tar member in the TOC. Texts are UTF-8, with U+FFFD for each invalid byte. */
export interface TocEntry {
  readonly type: TocType;
  readonly name: ByteString;
  readonly linkName: ByteString;
  /** As in the tar header, including file type bits. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime | undefined;
  readonly atime: TarTime | undefined;
  readonly ctime: TarTime | undefined;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Values in base64. */
  readonly xattrs: ReadonlyMap<ByteString, string>;
  /** Digest of the content; undefined for an empty file and for other types. */
  readonly digest: ContentDigest | undefined;
  /** The whole content in order; empty for a member without content. */
  readonly chunks: readonly TocChunk[];
}

/** A TOC with sound chunk tables: every content is covered once, by ranges before `endOffset`. */
export interface Toc {
  readonly entries: readonly TocEntry[];
  /** Digest of the compressed tar-split; undefined in TOCs of early writers. */
  readonly tarSplitDigest: ContentDigest | undefined;
}

/** The differences between the two kinds of TOCs. */
export interface TocForm {
  /** End of the last possible range: the start of the TOC itself. */
  readonly endOffset: number;
  /** eStargz: a range ends where the next begins, and the last chunk of a file has no size. */
  readonly isStargz: boolean;
}

/** An entry whose chunks are still arriving. */
interface Draft {
  readonly entry: Omit<TocEntry, 'chunks'> & { chunks: readonly TocChunk[] };
  readonly endOffset: number | undefined;
  readonly parts: Part[];
}

interface Part {
  readonly fileOffset: number;
  readonly sizeBytes: number | undefined;
  readonly offset: number | undefined;
  readonly digest: ContentDigest | undefined;
  readonly isZeros: boolean;
}

const NO_CHUNKS: readonly TocChunk[] = [];
const NO_XATTRS: ReadonlyMap<ByteString, string> = new Map();

/**
 * Parses a TOC in pieces of any size and checks its chunk tables meanwhile.
 * An unusable TOC throws UnusableToc, which never leaves this module; an untruthful one throws FormatError CHUNKED_TOC_INVALID.
 * Source: containers-storage pkg/chunked/internal/compression.go; estargz.md, "TOCEntry".
 */
export class TocParser {
  readonly #form: TocForm;
  readonly #json: TocJsonParser;
  readonly #drafts: Draft[] = [];
  readonly #entries: TocEntry[] = [];
  readonly #names = new Set<string>();
  #count = 0;
  #heldBytes = 0;
  #version: unknown;
  #tarSplitDigest: ContentDigest | undefined;

  constructor(form: TocForm) {
    this.#form = form;
    this.#json = new TocJsonParser({
      field: (key, value) => this.#field(key, value),
      entry: (raw) => this.#entry(raw),
    });
  }

  /** Reads the next bytes of the document. @throws FormatError CHUNKED_TOC_INVALID */
  push(piece: Uint8Array): void {
    this.#json.push(piece);
  }

  /** Call after the last bytes of the document. @throws FormatError CHUNKED_TOC_INVALID */
  finish(): Toc {
    this.#json.end();
    if (this.#version !== TOC_VERSION) {
      throw new UnusableToc('version', `its version is ${JSON.stringify(this.#version)}, not 1`);
    }
    this.#close(this.#form.endOffset);
    return { entries: this.#entries, tarSplitDigest: this.#tarSplitDigest };
  }

  #field(key: string, value: unknown): void {
    if (key === 'version') this.#version = value;
    if (key !== 'tarsplitdigest' || value === null || value === '') return;
    if (typeof value !== 'string' || !isContentDigest(value)) {
      throw new UnusableToc('json', 'its digest of the tar-split is no digest');
    }
    this.#tarSplitDigest = value;
  }

  #entry(raw: RawTocEntry): void {
    this.#count += 1;
    if (this.#count > TOC_ENTRIES_MAX) {
      throw new UnusableToc('too-large', `it has more than ${TOC_ENTRIES_MAX} entries`);
    }
    this.#heldBytes += heldBytesOf(raw);
    if (this.#heldBytes > TOC_HELD_BYTES_MAX) {
      throw new UnusableToc(
        'too-large',
        `it takes more than ${TOC_HELD_BYTES_MAX} bytes of memory`,
      );
    }
    const type = textOf(raw.type, 'type');
    const name = textOf(raw.name, 'name');
    if (type === 'chunk') {
      const draft = this.#drafts.at(-1);
      if (draft === undefined || draft.parts.length === 0) {
        failToc(show(name), 'expected a file before its chunk, found none');
      }
      if (draft.entry.name !== name) {
        failToc(show(name), `expected a chunk of ${show(draft.entry.name)}, found another name`);
      }
      draft.parts.push(partOf(raw, name));
      return;
    }
    const draft = draftOf(raw, type, name);
    const first = draft.parts[0]?.offset;
    if (!this.#form.isStargz) this.#close(undefined);
    else if (first !== undefined) this.#close(first);
    if (this.#names.has(name)) failToc(show(name), 'expected a name once, found it twice');
    this.#names.add(name);
    this.#drafts.push(draft);
  }

  /** Finishes the pending entries; in eStargz they wait for the offset that ends the last range. */
  #close(nextOffset: number | undefined): void {
    for (const draft of this.#drafts) {
      const endOffset = draft.endOffset ?? nextOffset;
      const { sizeBytes, digest } = draft.entry;
      const hasContent = draft.entry.type === 'reg' && sizeBytes > 0;
      if (hasContent && digest === undefined) {
        failToc(show(draft.entry.name), `expected a digest of its ${sizeBytes} bytes, found none`);
      }
      const chunks = hasContent ? chunksOf(draft, endOffset, this.#form) : NO_CHUNKS;
      if (!hasContent && draft.parts.length > 1) {
        failToc(show(draft.entry.name), 'expected no chunk of an empty file, found one');
      }
      draft.entry.chunks = chunks;
      this.#entries.push(draft.entry);
    }
    this.#drafts.length = 0;
  }
}

/** Memory that an entry will use, in bytes. */
function heldBytesOf({ name, linkName, xattrs }: RawTocEntry): number {
  let bytes = TOC_ENTRY_HELD_BYTES;
  for (const text of [name, linkName]) if (typeof text === 'string') bytes += text.length;
  if (typeof xattrs !== 'object' || xattrs === null) return bytes;
  const pairs = Object.entries(xattrs);
  if (pairs.length > TOC_XATTRS_MAX) {
    throw new UnusableToc('too-large', `an entry has more than ${TOC_XATTRS_MAX} attributes`);
  }
  for (const [key, value] of pairs) {
    bytes += TOC_XATTR_HELD_BYTES + key.length + (typeof value === 'string' ? value.length : 0);
  }
  return bytes;
}

/** Checks the chunk table of a file: sizes add up; offsets ascend and stay in bounds. */
function chunksOf(draft: Draft, endOffset: number | undefined, form: TocForm): TocChunk[] {
  const { entry, parts } = draft;
  const fault: (reason: string) => never = (reason) => failToc(show(entry.name), reason);
  const chunks: TocChunk[] = [];
  let fileOffset = 0;
  for (const [at, part] of parts.entries()) {
    const isLast = at === parts.length - 1;
    const rest = entry.sizeBytes - fileOffset;
    const isOpen =
      part.sizeBytes === undefined && (parts.length === 1 || (isLast && form.isStargz));
    const sizeBytes = isOpen ? rest : (part.sizeBytes ?? 0);
    const end = isLast ? endOffset : parts[at + 1]?.offset;
    const { offset } = part;
    if (part.fileOffset !== fileOffset) {
      fault(`expected a chunk at ${fileOffset} of the file, found ${part.fileOffset}`);
    }
    if (sizeBytes <= 0 || sizeBytes > rest || (isLast && sizeBytes !== rest)) {
      fault(`expected chunks of ${entry.sizeBytes} bytes together, found another sum`);
    }
    if (offset === undefined || end === undefined || offset >= end || end > form.endOffset) {
      fault(`expected a range before ${form.endOffset}, found ${offset} to ${end}`);
    }
    const digest = parts.length === 1 ? entry.digest : part.digest;
    if (digest === undefined) fault('expected a digest of every chunk, found none');
    if (parts.length === 1 && part.digest !== undefined && part.digest !== digest) {
      fault(`expected digest ${digest} of its only chunk, found ${part.digest}`);
    }
    const { isZeros } = part;
    chunks.push({ fileOffset, sizeBytes, offset, lengthBytes: end - offset, digest, isZeros });
    fileOffset += sizeBytes;
  }
  return chunks;
}

function draftOf(raw: RawTocEntry, type: ByteString, name: ByteString): Draft {
  if (!isTocType(type)) failToc(show(name), `expected a type of entry, found ${show(type)}`);
  const digest = digestOf(raw.digest, 'digest', name);
  const sizeBytes = numberOf(raw.size, 'size', name) ?? 0;
  return {
    entry: {
      type,
      name,
      linkName: textOf(raw.linkName, 'linkName'),
      mode: numberOf(raw.mode, 'mode', name) ?? 0,
      sizeBytes,
      uid: numberOf(raw.uid, 'uid', name) ?? 0,
      gid: numberOf(raw.gid, 'gid', name) ?? 0,
      mtime: timeOf(raw.modtime, 'modtime'),
      atime: timeOf(raw.accesstime, 'accesstime'),
      ctime: timeOf(raw.changetime, 'changetime'),
      rdevMajor: numberOf(raw.devMajor, 'devMajor', name) ?? 0,
      rdevMinor: numberOf(raw.devMinor, 'devMinor', name) ?? 0,
      xattrs: xattrsOf(raw),
      digest,
      chunks: NO_CHUNKS,
    },
    endOffset: numberOf(raw.endOffset, 'endOffset', name),
    parts: type === 'reg' ? [partOf(raw, name)] : [],
  };
}

function partOf(raw: RawTocEntry, name: ByteString): Part {
  const kind = textOf(raw.chunkType, 'chunkType');
  if (kind !== '' && kind !== 'zeros') {
    throw new UnusableToc('kind', `${show(name)} has a chunk of kind ${show(kind)}`);
  }
  // Several payloads share one gzip member: the second cannot be read without the first.
  if (raw.innerOffset !== undefined)
    throw new UnusableToc('kind', `${show(name)} shares its range`);
  const size = numberOf(raw.chunkSize, 'chunkSize', name);
  return {
    fileOffset: numberOf(raw.chunkOffset, 'chunkOffset', name) ?? 0,
    sizeBytes: size === 0 ? undefined : size,
    offset: numberOf(raw.offset, 'offset', name),
    digest: digestOf(raw.chunkDigest, 'chunkDigest', name),
    isZeros: kind === 'zeros',
  };
}

function isTocType(text: string): text is TocType & ByteString {
  return (TOC_TYPES as readonly string[]).includes(text);
}

/** A text; null and an absent text are empty. A lone surrogate becomes U+FFFD, as in Go. */
function textOf(found: unknown, key: TocKey): ByteString {
  const value = found ?? '';
  if (typeof value !== 'string') throw new UnusableToc('json', `its ${key} is no text`);
  return byteStringFromText(value);
}

function numberOf(value: unknown, key: TocKey, name: ByteString): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw new UnusableToc('json', `its ${key} is no number`);
  if (!Number.isSafeInteger(value) || value < 0) {
    failToc(show(name), `expected 0 to 2^53 - 1 as ${key}, found ${value}`);
  }
  return value;
}

function digestOf(found: unknown, key: TocKey, name: ByteString): ContentDigest | undefined {
  const value = found ?? '';
  if (value === '') return undefined;
  if (typeof value !== 'string' || !isContentDigest(value)) {
    failToc(show(name), `expected a digest as ${key}, found ${JSON.stringify(value)}`);
  }
  return value;
}

function timeOf(found: unknown, key: TocKey): TarTime | undefined {
  const value = found ?? '';
  if (value === '') return undefined;
  const time = typeof value === 'string' ? parseTocTime(value) : undefined;
  if (time === undefined) throw new UnusableToc('json', `its ${key} is no time`);
  return time;
}

function xattrsOf(raw: RawTocEntry): ReadonlyMap<ByteString, string> {
  const value = raw.xattrs ?? undefined;
  if (value === undefined) return NO_XATTRS;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new UnusableToc('json', 'its xattrs are no object');
  }
  const xattrs = new Map<ByteString, string>();
  for (const [name, text] of Object.entries(value as object)) {
    if (typeof text !== 'string') throw new UnusableToc('json', 'an xattr is no text');
    xattrs.set(byteStringFromText(name), text);
  }
  return xattrs;
}

/** A name for a message. */
export function show(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), 'latin1').toString('utf8'));
}
