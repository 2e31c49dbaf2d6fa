import { type ByteString, encodeHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import { chooseOffsetWidth, encodeVariant, offsetWidth } from '#formats/gvariant';
import { CHECKSUM_BYTES, DIRTREE_ENTRIES_MAX, DIRTREE_TYPE, NAME_MAX_BYTES } from '../layout.ts';
import { checksumBytes, requireMetadataSize, textOf } from './objects.ts';

/** A file or link of a directory. */
export interface DirtreeFile {
  readonly name: ByteString;
  readonly checksum: OstreeChecksum;
}

/** A subdirectory of a directory. */
export interface DirtreeDirectory {
  readonly name: ByteString;
  readonly tree: OstreeChecksum;
  readonly meta: OstreeChecksum;
}

/** A dirtree object: the entries of one directory, in stored order. */
export interface Dirtree {
  readonly files: readonly DirtreeFile[];
  readonly directories: readonly DirtreeDirectory[];
  /** Both lists ascend by the bytes of their names, as all current writers sort them; worth a warning when false. */
  readonly isSorted: boolean;
}

/**
 * Parses a dirtree object. Names are valid UTF-8 of 1 to 255 bytes without `/`, not `.` or `..`, and unique
 * among files and directories together (libostree checks only part of this; OSTree spec 2.4).
 * Reads the bytes directly, because a large tree has many dirtrees; accepts exactly what parseVariant accepts.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_CHECKSUM_LENGTH, OSTREE_NAME_INVALID, OSTREE_NAME_DUPLICATE,
 * OSTREE_METADATA_TOO_LARGE
 */
export function parseDirtree(bytes: Uint8Array): Dirtree {
  requireMetadataSize(bytes, WHAT);
  const reader = new DirtreeReader(bytes);
  const width = offsetWidth(bytes.length);
  if (width === 0) reader.fail(0, 'one end offset', 'no bytes');
  const bodyEnd = bytes.length - width;
  const split = reader.uint(bodyEnd, width);
  if (split > bodyEnd) reader.fail(bodyEnd, 'an end offset in range', String(split));
  reader.requireWidth(bodyEnd, 1, width, 0);
  const files: DirtreeFile[] = [];
  const directories: DirtreeDirectory[] = [];
  reader.elements(0, split, (start, end) => {
    const [name, [checksum]] = reader.entry(start, end, 1) as [ByteString, [OstreeChecksum]];
    files.push({ name, checksum });
  });
  reader.elements(split, bodyEnd, (start, end) => {
    const [name, sums] = reader.entry(start, end, 2);
    directories.push({ name, tree: sums[0] as OstreeChecksum, meta: sums[1] as OstreeChecksum });
  });
  const isSorted = ascends(files) && ascends(directories);
  requireUnique(files, directories, isSorted);
  return { files, directories, isSorted };
}

/** The exact bytes of a dirtree object; entries in the order given. */
export function encodeDirtree(tree: Pick<Dirtree, 'files' | 'directories'>): Uint8Array {
  return encodeVariant(
    [
      tree.files.map(({ name, checksum }) => [textOf(name), checksumBytes(checksum)] as const),
      tree.directories.map(
        ({ name, tree: sum, meta }) =>
          [textOf(name), checksumBytes(sum), checksumBytes(meta)] as const,
      ),
    ],
    DIRTREE_TYPE,
  );
}

/**
 * Checks a file name of a dirtree.
 * @throws FormatError OSTREE_NAME_INVALID
 */
export function requireEntryName(name: ByteString, offset = 0): void {
  const reason =
    name === ''
      ? 'an empty name'
      : name === '.' || name === '..'
        ? 'a name of the directory itself'
        : name.includes('/')
          ? 'a slash'
          : name.length > NAME_MAX_BYTES
            ? `${name.length} bytes`
            : undefined;
  if (reason === undefined) return;
  throw new FormatError(
    'OSTREE_NAME_INVALID',
    `Cannot read dirtree at ${offset}: expected a file name, found ${reason}: ${JSON.stringify(name.slice(0, 300))}`,
    { offset, what: WHAT, found: name.slice(0, 300) },
  );
}

const WHAT = 'dirtree';
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the two arrays of a dirtree in place. */
class DirtreeReader {
  readonly #bytes: Uint8Array;
  readonly #latin1: Buffer;
  #entries = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Calls `visit` with the bounds of every element of the array in [start, end). */
  elements(start: number, end: number, visit: (start: number, end: number) => void): void {
    if (start === end) return;
    const width = offsetWidth(end - start);
    const table = start + this.uint(end - width, width);
    if (table > end - width || (end - table) % width !== 0) {
      this.fail(end - width, 'a table offset in range', String(table - start));
    }
    const count = (end - table) / width;
    this.#entries += count;
    if (this.#entries > DIRTREE_ENTRIES_MAX) {
      this.fail(table, `at most ${DIRTREE_ENTRIES_MAX} entries`, String(this.#entries));
    }
    this.requireWidth(table - start, count, width, table);
    let at = start;
    for (let offset = table; offset < end; offset += width) {
      const next = start + this.uint(offset, width);
      if (next < at || next > table) this.fail(offset, 'an end offset in range', String(next));
      visit(at, next);
      at = next;
    }
  }

  /** The name and checksums of `(say)` or `(sayay)`: name, checksums, then their end offsets in reverse, without the last. */
  entry(start: number, end: number, checksums: 1 | 2): [ByteString, OstreeChecksum[]] {
    const width = offsetWidth(end - start);
    const body = end - width * checksums;
    if (width === 0 || body < start) this.fail(start, 'an entry', `${end - start} bytes`);
    const nameEnd = start + this.uint(end - width, width);
    if (nameEnd > body) this.fail(end - width, 'a name end in range', String(nameEnd - start));
    const name = this.#name(start, nameEnd);
    const sums: OstreeChecksum[] = [];
    let at = nameEnd;
    for (let index = 0; index < checksums; index++) {
      const isLast = index === checksums - 1;
      const next = isLast ? body : start + this.uint(end - width * (index + 2), width);
      if (next < at || next > body) this.fail(at, 'a checksum end in range', String(next - start));
      sums.push(this.#checksum(at, next));
      at = next;
    }
    this.requireWidth(body - start, checksums, width, body);
    requireEntryName(name, start);
    return [name, sums];
  }

  uint(at: number, width: number): number {
    return this.#latin1.readUIntLE(at, width);
  }

  requireWidth(body: number, count: number, width: number, at: number): void {
    if (chooseOffsetWidth(body, count) === width) return;
    this.fail(at, 'end offsets of the smallest width', `${width} bytes`);
  }

  fail(offset: number, expected: string, found: string): never {
    throw new FormatError(
      'GVARIANT_NOT_NORMAL',
      `Cannot read ${WHAT} at ${offset}: expected ${expected}, found ${found}`,
      { offset, what: WHAT, expected, found },
    );
  }

  #checksum(start: number, end: number): OstreeChecksum {
    if (end - start !== CHECKSUM_BYTES) {
      throw new FormatError(
        'OSTREE_CHECKSUM_LENGTH',
        `Cannot read ${WHAT} at ${start}: expected a checksum of ${CHECKSUM_BYTES} bytes, found ${end - start}`,
        { offset: start, what: WHAT, expected: CHECKSUM_BYTES, found: end - start },
      );
    }
    return encodeHex(this.#bytes.subarray(start, end)) as OstreeChecksum;
  }

  #name(start: number, end: number): ByteString {
    const name = this.#latin1.toString('latin1', start, Math.max(start, end - 1)) as ByteString;
    if (end === start || this.#bytes[end - 1] !== 0 || name.includes('\0')) {
      this.fail(start, 'a name with one NUL, at its end', JSON.stringify(name.slice(0, 300)));
    }
    if (NOT_ASCII.test(name)) this.#requireUtf8(start, end);
    return name;
  }

  #requireUtf8(start: number, end: number): void {
    try {
      UTF8.decode(this.#bytes.subarray(start, end));
    } catch {
      this.fail(start, 'a name in UTF-8', 'other bytes');
    }
  }
}

const NOT_ASCII = /[\u0080-\u00ff]/;

function ascends(entries: readonly { readonly name: ByteString }[]): boolean {
  for (let at = 1; at < entries.length; at++) {
    if ((entries[at - 1]?.name ?? '') > (entries[at]?.name ?? '')) return false;
  }
  return true;
}

function requireUnique(
  files: readonly DirtreeFile[],
  directories: readonly DirtreeDirectory[],
  isSorted: boolean,
): void {
  const repeated = isSorted
    ? findRepeatedSorted(files, directories)
    : findRepeated([...files, ...directories]);
  if (repeated === undefined) return;
  throw new FormatError(
    'OSTREE_NAME_DUPLICATE',
    `Cannot read ${WHAT}: expected unique names, found ${JSON.stringify(repeated)} twice`,
    { offset: 0, what: WHAT, found: repeated },
  );
}

function findRepeated(entries: readonly { readonly name: ByteString }[]): ByteString | undefined {
  const seen = new Set<ByteString>();
  for (const { name } of entries) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** Merges both ascending lists in one pass: equal names become adjacent. */
function findRepeatedSorted(
  files: readonly DirtreeFile[],
  directories: readonly DirtreeDirectory[],
): ByteString | undefined {
  let previous: ByteString | undefined;
  let f = 0;
  let d = 0;
  while (f < files.length || d < directories.length) {
    const file = files[f]?.name;
    const directory = directories[d]?.name;
    const takeFile = directory === undefined || (file !== undefined && file <= directory);
    const name = (takeFile ? file : directory) as ByteString;
    if (name === previous) return name;
    previous = name;
    if (takeFile) f++;
    else d++;
  }
  return undefined;
}
