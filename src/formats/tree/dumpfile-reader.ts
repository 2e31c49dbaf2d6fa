import { type ByteString, bytesOf } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { unescapeField } from './dumpfile-escape.ts';
import { MetadataReader, type MetadataRow } from './dumpfile-fields.ts';
import {
  DIALECTS,
  type Dialect,
  type DialectRules,
  FILE_SIZE_LIMIT,
  LINE_LIMIT,
  NAME_LIMIT,
  PATH_LIMIT,
} from './dumpfile-layout.ts';
import { Directory, type Leaf, type LeafIndex, type Stat, Tree } from './model.ts';

/**
 * What C mkcomposefs takes from a dumpfile and a tree cannot hold; `encodeImage` accepts it beside the tree. Only what
 * differs from the tree's own answer is here, so it is empty for most dumps. Source: core spec 4.5
 */
export interface ImageOverrides {
  /** NLINK as written, where it is not the number of names. */
  readonly linkCounts: Map<LeafIndex, number>;
  /** The entry of the inode's own line, for leaves with hard links: C numbers the inode there. */
  readonly homes: Map<LeafIndex, { readonly directory: Directory; readonly name: ByteString }>;
  /** PAYLOAD as written, where it is not the object path of the id; undefined: no redirect at all. */
  readonly payloads: Map<LeafIndex, ByteString | undefined>;
}

/** A parsed dumpfile. `overrides` is empty in the `composefs-rs` dialect. */
export interface ParsedDumpfile {
  readonly tree: Tree;
  readonly overrides: ImageOverrides;
}

/** How to read a dumpfile. */
export interface DumpfileOptions {
  /** Default `composefs-rs`. */
  readonly dialect?: Dialect;
  /** Hex characters of a digest: 64 (the default) or 128. */
  readonly digestLength?: 64 | 128;
}

interface PendingLink {
  readonly directory: Directory;
  readonly name: ByteString;
  readonly target: ByteString;
  readonly lineNumber: number;
}

const SPACE = 0x20;
const DASH = 0x2d;
const SLASH = 0x2f;
const NO_ID = '' as ObjectId;

/**
 * Incremental dumpfile parser: push pieces of any length, then end. Bytes need not be UTF-8. Memory grows with the tree
 * only; stats and xattrs that lines share are shared.
 */
export class DumpfileParser {
  readonly #rules: DialectRules;
  readonly #digestLength: number;
  readonly #metadata: MetadataReader;
  readonly #fail = (reason: string): never => {
    throw this.#error(reason);
  };
  readonly #overrides: ImageOverrides = {
    linkCounts: new Map(),
    homes: new Map(),
    payloads: new Map(),
  };
  readonly #pending: PendingLink[] = [];
  /** Per leaf: names so far and NLINK as written. Lenient dialect only. */
  readonly #names: number[] = [];
  readonly #written: number[] = [];
  #tree: Tree | undefined;
  #rest = '';
  #lineNumber = 0;
  #lineOffset = 0;
  #consumed = 0;
  #parentText = '';
  #parent: Directory | undefined;
  /** The line being parsed lies in `#text`; these are positions in it. */
  #text = '';
  #backslash = 0;

  constructor(options: DumpfileOptions = {}) {
    this.#rules = DIALECTS[options.dialect ?? 'composefs-rs'];
    this.#digestLength = options.digestLength ?? 64;
    this.#metadata = new MetadataReader(this.#rules, this.#fail);
  }

  /** Parses the lines that are complete. @throws FormatError DUMPFILE_INVALID with the line and its byte offset */
  push(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    const text = this.#rest + bytes.toString('latin1');
    let from = 0;
    this.#text = text;
    this.#backslash = -1;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#line(from, end);
      from = end + 1;
    }
    this.#consumed += from;
    this.#rest = text.slice(from);
    if (this.#rest.length > LINE_LIMIT) {
      this.#lineNumber += 1;
      throw this.#error(`the line is longer than ${LINE_LIMIT} bytes`);
    }
  }

  /**
   * Parses the last line, which needs no line feed, and resolves what is left.
   * @throws FormatError DUMPFILE_INVALID
   */
  end(): ParsedDumpfile {
    if (this.#rest !== '') {
      this.#text = this.#rest;
      this.#backslash = -1;
      this.#line(0, this.#text.length);
    }
    const tree = this.#tree;
    if (tree === undefined) throw this.#error('expected a root directory, found no entries');
    this.#resolvePending();
    for (const [index, nlink] of this.#written.entries()) {
      if (nlink !== this.#names[index]) this.#overrides.linkCounts.set(index, nlink);
      if (this.#names[index] === 1) this.#overrides.homes.delete(index);
    }
    return { tree, overrides: this.#overrides };
  }

  #error(reason: string): FormatError {
    return new FormatError(
      'DUMPFILE_INVALID',
      `Cannot parse dumpfile line ${this.#lineNumber}: ${reason}`,
      { offset: this.#lineOffset, what: 'dumpfile', line: this.#lineNumber },
    );
  }

  #line(start: number, lineEnd: number): void {
    const text = this.#text;
    this.#lineNumber += 1;
    this.#lineOffset = this.#consumed + start;
    const end = lineEnd > start && text.charCodeAt(lineEnd - 1) === 0x0d ? lineEnd - 1 : lineEnd;
    if (this.#backslash >= 0 && this.#backslash < start) this.#backslash = -1;
    if (this.#backslash < 0) {
      const found = text.indexOf('\\', start);
      this.#backslash = found < 0 ? text.length : found;
    }
    if (!this.#rules.lenient && isBlank(text, start, end)) return;

    const pathEnd = this.#fieldEnd(start, end, 'PATH');
    const sizeEnd = this.#fieldEnd(pathEnd + 1, end, 'SIZE');
    let metadataEnd = sizeEnd;
    for (let field = 0; field < 6; field += 1) {
      metadataEnd = this.#fieldEnd(metadataEnd + 1, end, 'metadata');
    }
    const row = this.#metadata.row(text.slice(sizeEnd + 1, metadataEnd));
    if (row.isHardlink) {
      if (!this.#rules.lenient) this.#size(pathEnd + 1, sizeEnd);
      this.#hardlink(start, pathEnd, metadataEnd + 1, end);
      return;
    }
    const payloadEnd = this.#fieldEnd(metadataEnd + 1, end, 'PAYLOAD');
    const contentEnd = this.#fieldEnd(payloadEnd + 1, end, 'CONTENT');
    const digestSpace = text.indexOf(' ', contentEnd + 1);
    const digestEnd = digestSpace < 0 || digestSpace > end ? end : digestSpace;
    const stat =
      digestEnd >= end ? row.bare : this.#metadata.stat(row, text.slice(digestEnd + 1, end));
    const size = this.#size(pathEnd + 1, sizeEnd);
    if (row.kind === 'directory') {
      this.#directory(start, pathEnd, stat, [payloadEnd + 1, contentEnd, digestEnd]);
      return;
    }
    const leaf = this.#leaf(row, stat, size, [metadataEnd + 1, payloadEnd, contentEnd, digestEnd]);
    this.#addLeaf(start, pathEnd, leaf, row.nlink);
  }

  /** End of the field that starts at `from`; a field must be followed by a space, except the last of a line. */
  #fieldEnd(from: number, lineEnd: number, name: string): number {
    if (from > lineEnd) throw this.#error(`expected ${name}, found the end of the line`);
    const text = this.#text;
    let at = from;
    while (at < lineEnd && text.charCodeAt(at) !== SPACE) at += 1;
    return at;
  }

  #isDash(from: number, end: number): boolean {
    return end - from === 1 && this.#text.charCodeAt(from) === DASH;
  }

  /** A field without its escapes; most lines have none, which one look-up per line settles. */
  #unescape(from: number, end: number): ByteString {
    const field = this.#text.slice(from, end);
    return this.#backslash >= end
      ? (field as ByteString)
      : unescapeField(field, !this.#rules.lenient, this.#fail);
  }

  #size(from: number, end: number): number {
    const text = this.#text;
    let at = text.charCodeAt(from) === 0x2b ? from + 1 : from;
    if (at >= end) throw this.#error('expected SIZE, found nothing');
    let size = 0;
    for (; at < end; at += 1) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) throw this.#error(`invalid SIZE "${text.slice(from, end)}"`);
      size = size * 10 + digit;
    }
    if (size > FILE_SIZE_LIMIT) throw this.#error(`SIZE ${text.slice(from, end)} is above 2^53`);
    return size;
  }

  /** Splits PATH into an existing parent directory and a name; undefined means the root itself. */
  #place(from: number, end: number): { directory: Directory; name: ByteString } | undefined {
    let text = this.#text;
    let start = from;
    let stop = end;
    if (this.#backslash < end) {
      text = this.#unescape(from, end);
      start = 0;
      stop = text.length;
    }
    if (this.#rules.lenient) {
      const nul = text.slice(start, stop).indexOf('\0');
      if (nul >= 0) stop = start + nul;
    }
    if (stop === start) throw this.#error('PATH is empty');
    if (stop - start > PATH_LIMIT) throw this.#error(`PATH is longer than ${PATH_LIMIT} bytes`);
    if (text.charCodeAt(start) === SLASH) start += 1;
    else if (!this.#rules.lenient) throw this.#error('PATH does not begin with a slash');
    if (this.#rules.lenient) while (text.charCodeAt(start) === SLASH && start < stop) start += 1;
    if (start === stop) return undefined;
    let slash = stop - 1;
    while (slash >= start && text.charCodeAt(slash) !== SLASH) slash -= 1;
    const directory = this.#directoryAt(text, start, slash);
    const name = text.slice(slash < start ? start : slash + 1, stop) as ByteString;
    this.#checkName(name);
    return { directory, name };
  }

  #checkName(name: string): void {
    if (name === '') throw this.#error('PATH has an empty component');
    if (name === '.' || name === '..') throw this.#error(`PATH has a component "${name}"`);
    if (name.length > NAME_LIMIT) throw this.#error(`name of ${name.length} bytes is too long`);
    if (name.includes('\0')) throw this.#error('PATH holds a NUL byte');
  }

  /** The directory whose path is `text[start, slash)`; consecutive lines mostly name the same one. */
  #directoryAt(text: string, start: number, slash: number): Directory {
    const root = this.#tree?.root;
    if (root === undefined) throw this.#error('the first entry must be the root directory');
    if (slash < start) return root;
    const known = this.#parent;
    const length = slash - start;
    if (
      known !== undefined &&
      length === this.#parentText.length &&
      text.startsWith(this.#parentText, start)
    ) {
      return known;
    }
    const path = text.slice(start, slash);
    let at = root;
    for (const name of path.split('/')) {
      const next = at.entries.get(name as ByteString);
      if (!(next instanceof Directory)) {
        this.#checkName(name);
        throw this.#error(`parent directory "${path}" is missing`);
      }
      at = next;
    }
    this.#parentText = path;
    this.#parent = at;
    return at;
  }

  #directory(from: number, end: number, stat: Stat, ends: [number, number, number]): void {
    const [contentFrom, contentEnd, digestEnd] = ends;
    if (!this.#rules.lenient) this.#refuseContent(contentFrom, contentEnd, digestEnd);
    const place = this.#isRoot(from, end) ? undefined : this.#place(from, end);
    if (place === undefined) {
      if (this.#tree === undefined) this.#tree = new Tree(stat);
      else if (this.#rules.lenient) throw this.#error('the root is there twice');
      else this.#tree.root.stat = stat;
      return;
    }
    this.#put(place.directory, place.name, new Directory(stat));
  }

  #isRoot(from: number, end: number): boolean {
    return end - from === 1 && this.#text.charCodeAt(from) === SLASH;
  }

  #put(directory: Directory, name: ByteString, inode: Directory | LeafIndex): void {
    const { entries } = directory;
    const before = entries.size;
    const old = this.#rules.lenient ? undefined : entries.get(name);
    entries.set(name, inode);
    if (entries.size !== before) return;
    if (this.#rules.lenient) throw this.#error('the path is there twice');
    if (old instanceof Directory) this.#parent = undefined;
  }

  #refuseContent(contentFrom: number, contentEnd: number, digestEnd: number): void {
    if (!this.#isDash(contentFrom, contentEnd))
      throw this.#error('this kind of entry has no CONTENT');
    if (!this.#isDash(contentEnd + 1, digestEnd))
      throw this.#error('this kind of entry has no DIGEST');
  }

  #leaf(
    row: MetadataRow,
    stat: Stat,
    size: number,
    ends: readonly [number, number, number, number],
  ): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const { kind } = row;
    if (kind === 'regular') return this.#regular(stat, size, ends);
    if (!this.#rules.lenient) this.#refuseContent(payloadEnd + 1, contentEnd, digestEnd);
    else if (!this.#isDash(payloadEnd + 1, contentEnd)) {
      this.#matchSize(this.#unescape(payloadEnd + 1, contentEnd).length, size);
    }
    if (kind === 'chr' || kind === 'blk') return { kind, stat, rdev: row.rdev };
    if (kind === 'fifo' || kind === 'socket') return { kind, stat };
    if (this.#isDash(payloadFrom, payloadEnd)) throw this.#error('a symlink needs PAYLOAD');
    let target = this.#unescape(payloadFrom, payloadEnd);
    target = this.#cutAtNul(target, 'PAYLOAD');
    if (target === '') throw this.#error('the target of a symlink is empty');
    if (target.length > this.#rules.symlinkLimit) {
      throw this.#error(`symlink target of ${target.length} bytes is too long`);
    }
    return { kind: 'symlink', stat, target };
  }

  #cutAtNul(value: ByteString, field: string): ByteString {
    const nul = value.indexOf('\0');
    if (nul < 0) return value;
    if (!this.#rules.lenient) throw this.#error(`${field} holds a NUL byte`);
    return value.slice(0, nul) as ByteString;
  }

  #matchSize(found: number, size: number): void {
    if (found !== size) throw this.#error(`content of ${found} bytes does not match SIZE ${size}`);
  }

  #regular(stat: Stat, size: number, ends: readonly [number, number, number, number]): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const contentFrom = payloadEnd + 1;
    const hasPayload = !this.#isDash(payloadFrom, payloadEnd);
    const hasContent = !this.#isDash(contentFrom, contentEnd);
    const hasDigest = !this.#isDash(contentEnd + 1, digestEnd);
    if (this.#rules.lenient) {
      if (size === 0 && !hasContent) return { kind: 'inline', stat, content: EMPTY };
      if (hasContent) return this.#inline(stat, size, contentFrom, contentEnd);
      if (hasPayload || hasDigest) {
        return this.#externalInC(stat, size, hasPayload ? ends : [0, 0, contentEnd, digestEnd]);
      }
      return { kind: 'sparse', stat, sizeBytes: size };
    }
    if (hasPayload) return this.#external(stat, size, ends);
    if (hasDigest) throw this.#error('DIGEST without PAYLOAD');
    if (hasContent || size === 0) return this.#inline(stat, size, contentFrom, contentEnd);
    return { kind: 'sparse', stat, sizeBytes: size };
  }

  #inline(stat: Stat, size: number, from: number, end: number): Leaf {
    if (this.#isDash(from, end)) return { kind: 'inline', stat, content: EMPTY };
    const content = this.#unescape(from, end);
    if (content.length > this.#rules.inlineLimit) {
      throw this.#error(`content of ${content.length} bytes is above ${this.#rules.inlineLimit}`);
    }
    if (this.#rules.lenient) this.#matchSize(content.length, size);
    else if (content.length === 0 && size > 0) return { kind: 'sparse', stat, sizeBytes: size };
    return { kind: 'inline', stat, content: new Uint8Array(bytesOf(content)) };
  }

  #external(stat: Stat, size: number, ends: readonly [number, number, number, number]): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const payload = this.#unescape(payloadFrom, payloadEnd);
    if (payload === '' || payload.length > PATH_LIMIT)
      throw this.#error('invalid length of PAYLOAD');
    this.#cutAtNul(payload, 'PAYLOAD');
    if (this.#isDash(contentEnd + 1, digestEnd)) {
      const id = objectPathTail(payload, this.#digestLength);
      if (id === undefined) throw this.#error('PAYLOAD is not an object path');
      return { kind: 'externalNoVerity', stat, id, sizeBytes: size };
    }
    const id = this.#digest(contentEnd + 1, digestEnd);
    return { kind: 'external', stat, id, sizeBytes: size };
  }

  /** C keeps PAYLOAD as it is and reads the first 64 characters of DIGEST; shorter ones it completes from stale memory. */
  #externalInC(stat: Stat, size: number, ends: readonly [number, number, number, number]): Leaf {
    const [payloadFrom, payloadEnd, contentEnd, digestEnd] = ends;
    const index = this.#tree?.leaves.length ?? 0;
    const payload =
      payloadEnd === 0
        ? undefined
        : this.#cutAtNul(this.#unescape(payloadFrom, payloadEnd), 'PAYLOAD');
    if (this.#isDash(contentEnd + 1, digestEnd)) {
      const id = objectPathTail(payload ?? '', this.#digestLength);
      const exact = id !== undefined && isObjectPathOf(payload, id);
      if (!exact) this.#overrides.payloads.set(index, payload);
      return { kind: 'externalNoVerity', stat, id: id ?? NO_ID, sizeBytes: size };
    }
    const end = Math.min(digestEnd, contentEnd + 1 + this.#digestLength);
    const id = this.#digest(contentEnd + 1, end);
    if (!isObjectPathOf(payload, id)) this.#overrides.payloads.set(index, payload);
    return { kind: 'external', stat, id, sizeBytes: size };
  }

  #digest(from: number, end: number): ObjectId {
    const id = this.#text.slice(from, end);
    if (end - from !== this.#digestLength) {
      throw this.#error(
        `expected a digest of ${this.#digestLength} characters, found ${end - from}`,
      );
    }
    let upper = false;
    for (let at = from; at < end; at += 1) {
      const code = this.#text.charCodeAt(at);
      if ((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66)) continue;
      if (code < 0x41 || code > 0x46) throw this.#error(`digest "${id}" is not hex`);
      upper = true;
    }
    return (upper ? id.toLowerCase() : id) as ObjectId;
  }

  #addLeaf(from: number, end: number, leaf: Leaf, nlink: number): void {
    const place = this.#isRoot(from, end) ? undefined : this.#place(from, end);
    const tree = this.#tree;
    if (place === undefined || tree === undefined) {
      throw this.#error('the root must be a directory');
    }
    const index = tree.addLeaf(leaf);
    this.#put(place.directory, place.name, index);
    if (!this.#rules.lenient) return;
    this.#names.push(1);
    this.#written.push(nlink);
  }

  #hardlink(from: number, pathEnd: number, payloadFrom: number, end: number): void {
    const payloadEnd = this.#fieldEnd(payloadFrom, end, 'PAYLOAD');
    if (this.#isDash(payloadFrom, payloadEnd)) throw this.#error('a hard link needs PAYLOAD');
    const target = this.#cutAtNul(this.#unescape(payloadFrom, payloadEnd), 'PAYLOAD');
    const place = this.#place(from, pathEnd);
    if (place === undefined) throw this.#error('the root cannot be a hard link');
    const found = this.#findLeaf(target);
    if (found !== undefined) this.#link(place, found);
    else if (this.#rules.lenient) {
      this.#pending.push({ ...place, target, lineNumber: this.#lineNumber });
      this.#put(place.directory, place.name, -this.#pending.length);
    } else throw this.#error(`hard link target "${target}" is missing`);
  }

  #link(place: { directory: Directory; name: ByteString }, home: Home): void {
    this.#put(place.directory, place.name, home.index);
    if (!this.#rules.lenient) return;
    this.#names[home.index] = (this.#names[home.index] as number) + 1;
    if (!this.#overrides.homes.has(home.index)) this.#overrides.homes.set(home.index, home);
  }

  #findLeaf(target: string): Home | undefined {
    const parts = target.split('/');
    if (this.#rules.lenient) {
      while (parts.length > 1 && parts[0] === '') parts.shift();
    } else if (parts.shift() !== '') throw this.#error(`hard link target "${target}" is relative`);
    let directory = this.#tree?.root;
    const name = parts.pop() ?? '';
    for (const part of parts) {
      const next: unknown = directory?.entries.get(part as ByteString);
      directory = next instanceof Directory ? next : undefined;
    }
    const found = directory?.entries.get(name as ByteString);
    if (directory === undefined || found === undefined) return undefined;
    if (typeof found !== 'number') throw this.#error(`hard link target "${target}" is a directory`);
    if ((found as number) < 0) return undefined;
    return { directory, name: name as ByteString, index: found as number };
  }

  /** Resolves links whose target came later, and links to such links, until nothing moves. */
  #resolvePending(): void {
    let open = this.#pending;
    while (open.length > 0) {
      const left = open.filter((link) => {
        this.#lineNumber = link.lineNumber;
        const found = this.#findLeaf(link.target);
        if (found === undefined) return true;
        link.directory.entries.delete(link.name);
        this.#link(link, found);
        return false;
      });
      const first = left[0];
      if (left.length === open.length && first !== undefined) {
        this.#lineNumber = first.lineNumber;
        throw this.#error(`hard link target "${first.target}" is missing`);
      }
      open = left;
    }
  }
}

interface Home {
  readonly directory: Directory;
  readonly name: ByteString;
  readonly index: LeafIndex;
}

const EMPTY = new Uint8Array(0);

function isBlank(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== SPACE && (code < 0x09 || code > 0x0d)) return false;
  }
  return true;
}

/** The object id at the end of a path, or undefined; case is folded. Source: core spec 1.3 */
function objectPathTail(path: string, length: number): ObjectId | undefined {
  const match = /([0-9a-fA-F]{2})\/([0-9a-fA-F]+)$/.exec(path.slice(-(length + 1)));
  const id = match === null ? '' : `${match[1]}${match[2]}`;
  return id.length === length ? (id.toLowerCase() as ObjectId) : undefined;
}

function isObjectPathOf(payload: string | undefined, id: string): boolean {
  return (
    payload !== undefined &&
    payload.length === id.length + 1 &&
    payload.charCodeAt(2) === SLASH &&
    payload.startsWith(id.slice(2), 3) &&
    payload.charCodeAt(0) === id.charCodeAt(0) &&
    payload.charCodeAt(1) === id.charCodeAt(1)
  );
}

/**
 * Parses a whole dumpfile by the rules of composefs-rs (or C, dropping what a tree cannot hold).
 * @throws FormatError DUMPFILE_INVALID
 */
export function parseDumpfile(bytes: Uint8Array, options: DumpfileOptions = {}): Tree {
  const parser = new DumpfileParser(options);
  parser.push(bytes);
  return parser.end().tree;
}
