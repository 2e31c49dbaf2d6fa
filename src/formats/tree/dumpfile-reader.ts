import { type ByteString, concatBytes } from '#base/bytes';
import { MetadataReader } from './dumpfile-fields.ts';
import { DIALECTS, type Dialect, LINE_LIMIT, NAME_LIMIT, PATH_LIMIT } from './dumpfile-layout.ts';
import { LeafReader } from './dumpfile-leaf.ts';
import { DumpLine } from './dumpfile-line.ts';
import { Directory, type Leaf, type LeafIndex, type Stat, Tree } from './model.ts';

/**
 * Values that C mkcomposefs reads from a dumpfile but a tree cannot hold; `encodeImage` accepts them with the tree. Only
 * values that differ from the tree are recorded, so most dumps have none. Source: core spec 4.5
 */
export interface ImageOverrides {
  /** NLINK as written, where it is not the number of names. */
  readonly linkCounts: Map<LeafIndex, number>;
  /** The entry of the inode's own line, for leaves with hard links: C numbers the inode there. */
  readonly homes: Map<LeafIndex, { readonly directory: Directory; readonly name: ByteString }>;
  /** PAYLOAD as written, where it is not the object path of the id; undefined means no redirect. */
  readonly payloads: Map<LeafIndex, ByteString | undefined>;
}

/** A parsed dumpfile. `overrides` is empty in the `composefs-rs` dialect. */
export interface ParsedDumpfile {
  readonly tree: Tree;
  readonly overrides: ImageOverrides;
}

/** Options for reading a dumpfile. */
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
  /** Placeholder value of the entry until the link is resolved. */
  readonly placeholder: number;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const SLASH = 0x2f;

/**
 * Incremental dumpfile parser: push pieces of any length, then end. Bytes need not be UTF-8. Memory grows only with the
 * tree; lines with the same stats and xattrs share them.
 */
export class DumpfileParser {
  readonly #lenient: boolean;
  readonly #line: DumpLine;
  readonly #metadata: MetadataReader;
  readonly #leaves: LeafReader;
  readonly #overrides: ImageOverrides = {
    linkCounts: new Map(),
    homes: new Map(),
    payloads: new Map(),
  };
  readonly #pending: PendingLink[] = [];
  /** Number of names so far, and NLINK as written, of leaves whose NLINK is not 1. Lenient dialect only. */
  readonly #names = new Map<LeafIndex, number>();
  readonly #written = new Map<LeafIndex, number>();
  #tree: Tree | undefined;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #consumed = 0;
  #parentBytes: Uint8Array = new Uint8Array(0);
  #parent: Directory | undefined;

  constructor(options: DumpfileOptions = {}) {
    const rules = DIALECTS[options.dialect ?? 'composefs-rs'];
    this.#lenient = rules.lenient;
    this.#line = new DumpLine(rules, options.digestLength ?? 64);
    this.#metadata = new MetadataReader(rules, this.#line.fail);
    this.#leaves = new LeafReader(this.#line, this.#overrides.payloads);
  }

  /** Parses all complete lines. @throws FormatError DUMPFILE_INVALID with the line and its byte offset */
  push(piece: Uint8Array): void {
    let from = 0;
    if (this.#restBytes > 0) {
      from = piece.indexOf(LINE_FEED) + 1;
      this.#keep(piece.subarray(0, from === 0 ? piece.length : from));
      if (from === 0) return;
      this.#parseLines(this.#takeRest());
    }
    const last = piece.lastIndexOf(LINE_FEED) + 1;
    if (last > from) this.#parseLines(piece.subarray(from, last));
    this.#keep(piece.subarray(Math.max(last, from)));
  }

  /**
   * Parses the last line, which needs no line feed, and resolves the remaining hard links.
   * @throws FormatError DUMPFILE_INVALID
   */
  end(): ParsedDumpfile {
    if (this.#restBytes > 0) this.#parseLines(this.#takeRest());
    const tree = this.#tree;
    if (tree === undefined) throw this.#line.error('expected a root directory, found no entries');
    this.#resolvePending();
    for (const index of new Set([...this.#written.keys(), ...this.#names.keys()])) {
      const nlink = this.#written.get(index) ?? 1;
      if (nlink !== (this.#names.get(index) ?? 1)) this.#overrides.linkCounts.set(index, nlink);
    }
    return { tree, overrides: this.#overrides };
  }

  /** Keeps a copy of an incomplete line until the rest arrives. */
  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#rest.push(new Uint8Array(bytes));
    this.#restBytes += bytes.length;
    if (this.#restBytes <= LINE_LIMIT) return;
    this.#line.begin(0, this.#consumed);
    throw this.#line.error(`the line is longer than ${LINE_LIMIT} bytes`);
  }

  #takeRest(): Uint8Array {
    const whole = concatBytes(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return whole;
  }

  /** Parses whole lines; only the last line of a dumpfile may lack its line feed. */
  #parseLines(bytes: Uint8Array): void {
    this.#line.setBytes(bytes);
    const { text } = this.#line;
    for (let from = 0; from < text.length; ) {
      const found = text.indexOf('\n', from);
      const end = found < 0 ? text.length : found;
      this.#parseLine(from, end);
      from = end + 1;
    }
    this.#consumed += bytes.length;
  }

  #parseLine(start: number, lineEnd: number): void {
    const line = this.#line;
    const { text, bytes } = line;
    line.begin(start, this.#consumed);
    const end = lineEnd > start && bytes[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
    if (!this.#lenient && isBlank(text, start, end)) return;

    const pathEnd = this.#line.fieldEnd(start, end, 'PATH');
    const sizeEnd = this.#line.fieldEnd(pathEnd + 1, end, 'SIZE');
    let metadataEnd = sizeEnd;
    for (let field = 0; field < 6; field += 1) {
      metadataEnd = this.#line.fieldEnd(metadataEnd + 1, end, 'metadata');
    }
    const row = this.#metadata.row(line, sizeEnd + 1, metadataEnd);
    if (row.isHardlink) {
      if (!this.#lenient) this.#line.size(pathEnd + 1, sizeEnd);
      this.#hardlink(start, pathEnd, metadataEnd + 1, end);
      return;
    }
    const payloadEnd = this.#lastFieldEnd(metadataEnd + 1, end, 'PAYLOAD');
    const contentEnd = this.#lastFieldEnd(payloadEnd + 1, end, 'CONTENT');
    const digestEnd = contentEnd < end ? line.fieldEnd(contentEnd + 1, end, 'DIGEST') : end;
    const stat = digestEnd >= end ? row.bare : this.#metadata.stat(row, line, digestEnd + 1, end);
    const size = this.#line.size(pathEnd + 1, sizeEnd);
    if (row.kind === 'directory') {
      if (this.#lenient) this.#leaves.matchContent(size, payloadEnd + 1, contentEnd);
      this.#directory(start, pathEnd, stat, [payloadEnd + 1, contentEnd, digestEnd]);
      return;
    }
    const index = this.#tree?.leaves.length ?? 0;
    const leaf = this.#leaves.read(index, row, stat, size, [
      metadataEnd + 1,
      payloadEnd,
      contentEnd,
      digestEnd,
    ]);
    this.#addLeaf(start, pathEnd, leaf, row.nlink);
  }

  /** Returns the end of a field; when the line ends before the field, C treats it as empty, not as absent. */
  #lastFieldEnd(from: number, end: number, name: string): number {
    return this.#lenient && from > end ? end : this.#line.fieldEnd(from, end, name);
  }

  /** Splits PATH into an existing parent directory and a name; undefined for the root. */
  #place(from: number, end: number): { directory: Directory; name: ByteString } | undefined {
    let { text } = this.#line;
    let start = from;
    let stop = end;
    if (!this.#line.isPlain(end)) {
      text = this.#line.unescape(from, end);
      start = 0;
      stop = text.length;
    }
    const mayHoldNul = this.#line.mayHoldNul(end);
    if (this.#lenient && mayHoldNul) {
      const nul = text.slice(start, stop).indexOf('\0');
      if (nul >= 0) stop = start + nul;
    }
    if (stop === start) throw this.#line.error('PATH is empty');
    if (stop - start > PATH_LIMIT)
      throw this.#line.error(`PATH is longer than ${PATH_LIMIT} bytes`);
    if (text.charCodeAt(start) === SLASH) start += 1;
    else if (!this.#lenient) throw this.#line.error('PATH does not begin with a slash');
    if (this.#lenient) while (text.charCodeAt(start) === SLASH && start < stop) start += 1;
    if (start === stop) return undefined;
    let slash = stop - 1;
    while (slash >= start && text.charCodeAt(slash) !== SLASH) slash -= 1;
    const directory = this.#directoryAt(text, start, slash);
    const name = text.slice(slash < start ? start : slash + 1, stop) as ByteString;
    this.#checkName(name);
    if (mayHoldNul && name.includes('\0')) throw this.#line.error('PATH holds a NUL byte');
    return { directory, name };
  }

  #checkName(name: string): void {
    if (name === '') throw this.#line.error('PATH has an empty component');
    if (name.length <= 2 && (name === '.' || name === '..'))
      throw this.#line.error(`PATH has a component "${name}"`);
    if (name.length > NAME_LIMIT)
      throw this.#line.error(`name of ${name.length} bytes is too long`);
  }

  /** Returns the directory with the path `text[start, slash)`; consecutive lines mostly name the same directory. */
  #directoryAt(text: string, start: number, slash: number): Directory {
    const root = this.#tree?.root;
    if (root === undefined) throw this.#line.error('the first entry must be the root directory');
    if (slash < start) return root;
    const known = this.#parent;
    const isInLine = text === this.#line.text;
    const isKnown =
      known !== undefined &&
      isInLine &&
      slash - start === this.#parentBytes.length &&
      this.#line.startsWith(this.#parentBytes, start);
    if (isKnown) return known;
    const path = text.slice(start, slash);
    let at = root;
    for (const name of path.split('/')) {
      const next = at.entries.get(name as ByteString);
      if (!(next instanceof Directory)) {
        this.#checkName(name);
        throw this.#line.error(`parent directory "${path}" is missing`);
      }
      at = next;
    }
    if (isInLine) {
      this.#parentBytes = this.#line.copy(start, slash);
      this.#parent = at;
    }
    return at;
  }

  #directory(from: number, end: number, stat: Stat, ends: [number, number, number]): void {
    const [contentFrom, contentEnd, digestEnd] = ends;
    if (!this.#lenient) this.#leaves.refuseContent(contentFrom, contentEnd, digestEnd);
    const place = this.#isRoot(from, end) ? undefined : this.#place(from, end);
    if (place === undefined) {
      if (this.#tree === undefined) this.#tree = new Tree(stat);
      else if (this.#lenient) throw this.#line.error('the root is there twice');
      else this.#tree.root.stat = stat;
      return;
    }
    this.#put(place.directory, place.name, new Directory(stat));
  }

  #isRoot(from: number, end: number): boolean {
    return end - from === 1 && this.#line.bytes[from] === SLASH;
  }

  #put(directory: Directory, name: ByteString, inode: Directory | LeafIndex): void {
    const { entries } = directory;
    const before = entries.size;
    const old = this.#lenient ? undefined : entries.get(name);
    entries.set(name, inode);
    if (entries.size !== before) return;
    if (this.#lenient) throw this.#line.error('the path is there twice');
    if (old instanceof Directory) this.#parent = undefined;
  }

  #addLeaf(from: number, end: number, leaf: Leaf, nlink: number): void {
    const place = this.#isRoot(from, end) ? undefined : this.#place(from, end);
    const tree = this.#tree;
    if (place === undefined || tree === undefined) {
      throw this.#line.error('the root must be a directory');
    }
    const index = tree.addLeaf(leaf);
    this.#put(place.directory, place.name, index);
    if (nlink !== 1 && this.#lenient) this.#written.set(index, nlink);
  }

  #hardlink(from: number, pathEnd: number, payloadFrom: number, end: number): void {
    const payloadEnd = this.#line.fieldEnd(payloadFrom, end, 'PAYLOAD');
    if (this.#line.isDash(payloadFrom, payloadEnd))
      throw this.#line.error('a hard link needs PAYLOAD');
    const target = this.#line.cutAtNul(this.#line.unescape(payloadFrom, payloadEnd), 'PAYLOAD');
    const place = this.#place(from, pathEnd);
    if (place === undefined) throw this.#line.error('the root cannot be a hard link');
    const found = this.#findLeaf(target);
    if (found !== undefined && found.index >= 0) this.#link(place, found);
    else if (this.#lenient) {
      const placeholder = -this.#pending.length - 1;
      this.#pending.push({ ...place, target, lineNumber: this.#line.number, placeholder });
      this.#put(place.directory, place.name, placeholder);
    } else throw this.#line.error(`hard link target "${target}" is missing`);
  }

  #link(place: { directory: Directory; name: ByteString }, home: Home): void {
    this.#put(place.directory, place.name, home.index);
    if (!this.#lenient) return;
    this.#names.set(home.index, (this.#names.get(home.index) ?? 1) + 1);
    if (!this.#overrides.homes.has(home.index)) this.#overrides.homes.set(home.index, home);
  }

  #findLeaf(target: string): Home | undefined {
    const parts = target.split('/');
    if (this.#lenient) {
      while (parts.length > 1 && parts[0] === '') parts.shift();
    } else if (parts.shift() !== '')
      throw this.#line.error(`hard link target "${target}" is relative`);
    let directory = this.#tree?.root;
    const name = parts.pop() ?? '';
    for (const part of parts) {
      const next: unknown = directory?.entries.get(part as ByteString);
      directory = next instanceof Directory ? next : undefined;
    }
    const found = directory?.entries.get(name as ByteString);
    if (directory === undefined || found === undefined) return undefined;
    if (typeof found === 'number') return { directory, name: name as ByteString, index: found };
    throw this.#line.error(`hard link target "${target}" is a directory`);
  }

  /** Resolves links whose target came after them, following chains of such links. */
  #resolvePending(): void {
    const open = new Set<PendingLink>();
    for (const link of this.#pending) {
      const chain = [link];
      for (let last = chain.at(-1); last !== undefined; last = chain.at(-1)) {
        this.#line.number = last.lineNumber;
        if (last.directory.entries.get(last.name) !== last.placeholder) {
          chain.pop();
          continue;
        }
        const found = this.#findLeaf(last.target);
        if (found === undefined)
          throw this.#line.error(`hard link target "${last.target}" is missing`);
        if (found.index >= 0) {
          last.directory.entries.delete(last.name);
          this.#link(last, found);
          chain.pop();
          continue;
        }
        if (open.has(last)) throw this.#line.error('hard links lead in a circle');
        open.add(last);
        chain.push(this.#pending[-found.index - 1] as PendingLink);
      }
    }
  }
}

/** A name of a leaf, or, with a negative index, of a pending link. */
interface Home {
  readonly directory: Directory;
  readonly name: ByteString;
  readonly index: LeafIndex;
}

function isBlank(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== SPACE && (code < 0x09 || code > 0x0d)) return false;
  }
  return true;
}

/**
 * Parses a whole dumpfile by the rules of composefs-rs (or of C, without the values that a tree cannot hold).
 * @throws FormatError DUMPFILE_INVALID
 */
export function parseDumpfile(bytes: Uint8Array, options: DumpfileOptions = {}): Tree {
  const parser = new DumpfileParser(options);
  parser.push(bytes);
  return parser.end().tree;
}
