import { FormatError } from '#base/errors';
import {
  C_SHARED_LIMIT,
  KERNEL_HASH_IDS,
  METACOPY_HEADER_BYTES,
  METACOPY_SUFFIX,
  REDIRECT_SUFFIX,
  TRUSTED_INDEX,
  XATTR_ENTRY,
  XATTR_HEADER,
} from '../layout.ts';
import { type InodeTable, NO_OBJECT } from './inode-table.ts';
import { entryBytes, filterBit, type XattrEntry, type XattrSet } from './xattr-table.ts';

const METACOPY_BIT = filterBit(TRUSTED_INDEX, METACOPY_SUFFIX);
const REDIRECT_BIT = filterBit(TRUSTED_INDEX, REDIRECT_SUFFIX);

/** Offset of an inode's metacopy in the shared table, or -1. */
function sharedMetacopy(table: InodeTable, metacopy: number): number {
  return metacopy >= 0
    ? (table.xattrs.sharedMetacopy[metacopy] as number)
    : table.xattrs.emptyMetacopy.sharedOffset;
}

function sharedRedirect(table: InodeTable, inode: number, redirect: number): number {
  return redirect >= 0
    ? (table.xattrs.sharedRedirect[redirect] as number)
    : (table.redirects.get(inode)?.sharedOffset ?? -1);
}

function metacopyBytes(table: InodeTable, metacopy: number): number {
  const value = metacopy >= 0 ? METACOPY_HEADER_BYTES + table.objects.digestBytes : 0;
  return entryBytes(METACOPY_SUFFIX.length, value);
}

function redirectBytes(table: InodeTable, inode: number, redirect: number): number {
  const value =
    redirect >= 0 ? table.objects.redirectBytes : (table.redirects.get(inode)?.value.length ?? 0);
  return entryBytes(REDIRECT_SUFFIX.length, value);
}

/** Bytes of the xattr section of an inode, 0 without xattrs. @throws FormatError TREE_INVALID when the count does not fit its field */
export function sectionBytes(table: InodeTable, inode: number, sharedLimit: number): number {
  const set = table.sets[inode] as XattrSet;
  const metacopy = table.metacopy[inode] as number;
  const redirect = table.redirect[inode] as number;
  let shared = set.sharedCount;
  let local = set.localBytes;
  if (metacopy !== NO_OBJECT.absent) {
    if (sharedMetacopy(table, metacopy) >= 0) shared += 1;
    else local += metacopyBytes(table, metacopy);
  }
  if (redirect !== NO_OBJECT.absent) {
    if (sharedRedirect(table, inode, redirect) >= 0) shared += 1;
    else local += redirectBytes(table, inode, redirect);
  }
  if (shared === 0 && local === 0) return 0;
  if (shared > sharedLimit) {
    if (sharedLimit !== C_SHARED_LIMIT) throw tooMany(inode, shared);
    for (const piece of orderedPieces(table, inode).filter(isShared).slice(sharedLimit)) {
      shared -= 1;
      local += piece.bytes;
    }
  }
  const bytes = XATTR_HEADER.sizeBytes + 4 * shared + local;
  if ((bytes - XATTR_HEADER.sizeBytes) / 4 + 1 > 0xffff) throw tooMany(inode, bytes);
  return bytes;
}

function tooMany(inode: number, found: number): FormatError {
  return new FormatError(
    'TREE_INVALID',
    'Cannot write the xattrs of an inode: they are more than its count can hold',
    { offset: inode, what: 'xattrs', found },
  );
}

interface Piece {
  readonly sharedOffset: number;
  readonly bytes: number;
  readonly entry: XattrEntry | 'metacopy' | 'redirect';
}

function isShared(piece: Piece): boolean {
  return piece.sharedOffset >= 0;
}

/** Returns the entries of an inode, with metacopy and redirect at their positions. */
function orderedPieces(table: InodeTable, inode: number): Piece[] {
  const set = table.sets[inode] as XattrSet;
  const metacopy = table.metacopy[inode] as number;
  const redirect = table.redirect[inode] as number;
  const pieces: Piece[] = [];
  for (let at = 0; at <= set.entries.length; at += 1) {
    if (at === set.metacopyAt && metacopy !== NO_OBJECT.absent) {
      const sharedOffset = sharedMetacopy(table, metacopy);
      pieces.push({ sharedOffset, bytes: metacopyBytes(table, metacopy), entry: 'metacopy' });
    }
    if (at === set.redirectAt && redirect !== NO_OBJECT.absent) {
      const sharedOffset = sharedRedirect(table, inode, redirect);
      const bytes = redirectBytes(table, inode, redirect);
      pieces.push({ sharedOffset, bytes, entry: 'redirect' });
    }
    const entry = set.entries[at];
    if (entry === undefined) continue;
    const bytes = entryBytes(entry.suffix.length, entry.value.length);
    pieces.push({ sharedOffset: entry.sharedOffset, bytes, entry });
  }
  return pieces;
}

/** Writes xattr sections and the shared table into an image. */
export class XattrWriter {
  readonly #table: InodeTable;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #sharedLimit: number;
  /** Added to an offset in the shared table, then divided by 4, to make a reference. */
  readonly #sharedBase: number;

  constructor(table: InodeTable, bytes: Buffer, sharedLimit: number, sharedBase: number) {
    this.#table = table;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#sharedLimit = sharedLimit;
    this.#sharedBase = sharedBase;
  }

  /** Writes the xattr section of an inode, if any. */
  section(inode: number, at: number): void {
    const table = this.#table;
    const set = table.sets[inode] as XattrSet;
    const metacopy = table.metacopy[inode] as number;
    const redirect = table.redirect[inode] as number;
    let filter = set.filterBits;
    if (metacopy !== NO_OBJECT.absent) filter |= METACOPY_BIT;
    if (redirect !== NO_OBJECT.absent) filter |= REDIRECT_BIT;
    this.#view.setUint32(at + XATTR_HEADER.nameFilter, ~filter >>> 0, true);
    const body = at + XATTR_HEADER.sizeBytes;
    const isPlainExternal =
      set.entries.length === set.sharedCount &&
      metacopy >= 0 &&
      redirect >= 0 &&
      set.sharedCount < this.#sharedLimit - 1 &&
      sharedMetacopy(table, metacopy) < 0 &&
      sharedRedirect(table, inode, redirect) < 0;
    if (isPlainExternal) {
      let to = body;
      for (const entry of set.entries) to = this.#reference(to, entry.sharedOffset);
      this.#bytes[at + XATTR_HEADER.sharedCount] = set.sharedCount;
      to = this.#metacopy(to, metacopy);
      this.#redirect(to, inode, redirect);
      return;
    }
    this.#ordered(orderedPieces(table, inode), at, body, inode);
  }

  #ordered(pieces: readonly Piece[], at: number, body: number, inode: number): void {
    let to = body;
    let shared = 0;
    const local: Piece[] = [];
    for (const piece of pieces) {
      if (piece.sharedOffset >= 0 && shared < this.#sharedLimit) {
        to = this.#reference(to, piece.sharedOffset);
        shared += 1;
      } else local.push(piece);
    }
    this.#bytes[at + XATTR_HEADER.sharedCount] = shared;
    for (const { entry } of local) {
      if (entry === 'metacopy') to = this.#metacopy(to, this.#table.metacopy[inode] as number);
      else if (entry === 'redirect') {
        to = this.#redirect(to, inode, this.#table.redirect[inode] as number);
      } else to = this.entry(to, entry);
    }
  }

  /** Writes an entry; returns the offset of the next. */
  entry(at: number, entry: XattrEntry): number {
    const value = this.#entryHeader(at, entry.suffix, entry.index, entry.value.length);
    this.#bytes.write(entry.value, value, 'latin1');
    return at + entryBytes(entry.suffix.length, entry.value.length);
  }

  #reference(at: number, sharedOffset: number): number {
    this.#view.setUint32(at, (this.#sharedBase + sharedOffset) / 4, true);
    return at + 4;
  }

  /** Writes the header of an entry; returns the offset of the value. */
  #entryHeader(at: number, suffix: string, index: number, valueLength: number): number {
    this.#bytes[at + XATTR_ENTRY.nameLength] = suffix.length;
    this.#bytes[at + XATTR_ENTRY.nameIndex] = index;
    this.#view.setUint16(at + XATTR_ENTRY.valueLength, valueLength, true);
    const to = at + XATTR_ENTRY.sizeBytes;
    for (let character = 0; character < suffix.length; character += 1) {
      this.#bytes[to + character] = suffix.charCodeAt(character);
    }
    return to + suffix.length;
  }

  #metacopy(at: number, metacopy: number): number {
    const { objects } = this.#table;
    if (metacopy < 0) {
      this.#entryHeader(at, METACOPY_SUFFIX, TRUSTED_INDEX, 0);
    } else {
      const length = METACOPY_HEADER_BYTES + objects.digestBytes;
      const value = this.#entryHeader(at, METACOPY_SUFFIX, TRUSTED_INDEX, length);
      this.#bytes[value + 1] = length;
      this.#bytes[value + 3] = KERNEL_HASH_IDS[objects.digestBytes] as number;
      objects.writeDigest(metacopy, this.#bytes, value + METACOPY_HEADER_BYTES);
    }
    return at + metacopyBytes(this.#table, metacopy);
  }

  #redirect(at: number, inode: number, redirect: number): number {
    const { objects } = this.#table;
    const other = this.#table.redirects.get(inode);
    if (redirect < 0) return other === undefined ? at : this.entry(at, other);
    const value = this.#entryHeader(at, REDIRECT_SUFFIX, TRUSTED_INDEX, objects.redirectBytes);
    objects.writeRedirect(redirect, this.#bytes, value);
    return at + redirectBytes(this.#table, inode, redirect);
  }
}
