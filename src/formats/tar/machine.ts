import { roundUp } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { Reading } from '#formats/tree';
import type { TarEntry } from './entry.ts';
import { Extensions, isExtensionFlag } from './extensions.ts';
import { failTar } from './fault.ts';
import { HeaderBlock, isRegularFlag } from './header.ts';
import {
  EXTENSION_BYTES_MAX,
  GNU_SPARSE,
  INLINE_BYTES_MAX,
  TAR_BLOCK_BYTES,
  TYPE_FLAG,
} from './layout.ts';
import { buildEntry } from './member.ts';
import {
  addGnuRuns,
  failSparse,
  PayloadMapReader,
  parsePaxSparse,
  SparseMapBuilder,
} from './sparse.ts';

/** Receives the events of the machine. A tar being split and a stored tar differ only in the location of large payloads. */
export interface MachineSink {
  inline(bytes: Uint8Array): void;
  externalStart(entry: TarEntry): void;
  externalData(bytes: Uint8Array): void;
  externalEnd(): void;
  /** Content is undefined when the payload is external. */
  entry(entry: TarEntry, content: Uint8Array | undefined): void;
}

const STATE = {
  header: 0,
  extension: 1,
  sparseBlock: 2,
  sparseMap: 3,
  payload: 4,
  external: 5,
  tail: 6,
} as const;
type State = (typeof STATE)[keyof typeof STATE];

/** The structure in which a truncated tar ends, for messages. */
const STATE_NAMES = [
  'header',
  'extension header',
  'sparse header',
  'sparse map',
  'payload or padding',
  'payload',
  'end',
] as const;

/** `whole`: every byte arrives through `push`; `parts`: large payloads arrive through `pushExternal`, as objects. */
export type TarForm = 'whole' | 'parts';

const NO_CONTENT = new Uint8Array(0);

/**
 * The tar state machine. It parses every header once, passes spans of inline bytes on as views into the piece, and never
 * buffers more than one block and one extension payload.
 */
export class TarMachine {
  readonly #form: TarForm;
  readonly #reading: Reading;
  readonly #block = new HeaderBlock();
  readonly #small = new Uint8Array(INLINE_BYTES_MAX);
  #state: State = STATE.header;
  #fill = 0;
  /** Bytes of the tar before the piece being pushed. */
  #base = 0;
  #zeroBlocks = 0;
  #extensions = new Extensions();
  /** Remaining bytes of an extension, a payload with its padding, or an external payload. */
  #left = 0;
  /** Most of the remaining bytes that can be padding. */
  #padding = 0;
  /** Payload bytes still to be collected for `#entry`. */
  #wanted = 0;
  #collected = 0;
  #entry: TarEntry | undefined;
  #sparse: SparseMapBuilder | undefined;
  #payloadMap: PayloadMapReader | undefined;
  #sparseName: string | undefined;
  #storedBytes = 0;

  constructor(form: TarForm, reading: Reading) {
    this.#form = form;
    this.#reading = reading;
  }

  /** Parses the next bytes of the tar. @throws FormatError TAR_* */
  push(piece: Uint8Array, sink: MachineSink): void {
    let at = 0;
    let span = 0;
    while (at < piece.length) {
      switch (this.#state) {
        case STATE.header:
        case STATE.sparseBlock:
        case STATE.sparseMap: {
          at = this.#fillBlock(piece, at);
          if (this.#fill < TAR_BLOCK_BYTES) break;
          this.#fill = 0;
          this.#block.offset = this.#base + at - TAR_BLOCK_BYTES;
          this.#takeBlock(sink);
          if (!this.#isExternal()) break;
          if (at > span) sink.inline(piece.subarray(span, at));
          span = at;
          this.#startExternal(sink);
          break;
        }
        case STATE.extension:
          at = this.#fillExtension(piece, at);
          break;
        case STATE.payload:
          at = this.#passPayload(piece, at, sink);
          break;
        case STATE.external: {
          if (this.#form === 'parts') this.#failForm(this.#base + at, 'an object', 'inline bytes');
          const bytes = piece.subarray(at, at + this.#left);
          sink.externalData(bytes);
          at += bytes.length;
          span = at;
          this.#left -= bytes.length;
          if (this.#left === 0) this.#endExternal(sink);
          break;
        }
        case STATE.tail:
          at = piece.length;
          break;
      }
    }
    this.#base += piece.length;
    if (span < at) sink.inline(span === 0 ? piece : piece.subarray(span));
  }

  /** The entry whose large payload comes next; undefined when other bytes come next. */
  get awaited(): TarEntry | undefined {
    return this.#state === STATE.external ? this.#entry : undefined;
  }

  /** Accepts an object in place of a large payload; returns its entry. @throws FormatError TAR_CONTENT_FORM */
  pushExternal(id: ObjectId): TarEntry {
    return this.passExternal(`object ${id}`);
  }

  /** Skips a large payload stored elsewhere, named `what` in messages; returns its entry. @throws FormatError TAR_CONTENT_FORM */
  passExternal(what: string): TarEntry {
    const entry = this.awaited;
    if (entry === undefined) return this.#failForm(this.#base, 'inline bytes', what);
    this.#base += entry.sizeBytes;
    this.#toPadding(entry.sizeBytes);
    return entry;
  }

  /** Ends the tar; the padding of the last member may be missing. @throws FormatError TAR_TRUNCATED, TAR_EXTENSION_ORPHANED */
  end(): void {
    if (this.#state === STATE.tail) return;
    if (this.#state === STATE.payload && this.#left <= this.#padding) return;
    if (this.#state !== STATE.header || this.#fill > 0) {
      const reason = 'expected more bytes, found the end';
      failTar('TAR_TRUNCATED', STATE_NAMES[this.#state], this.#base, reason);
    }
    this.#checkOrphans();
  }

  #fillBlock(piece: Uint8Array, at: number): number {
    const end = Math.min(at + TAR_BLOCK_BYTES - this.#fill, piece.length);
    this.#block.bytes.set(piece.subarray(at, end), this.#fill);
    this.#fill += end - at;
    return end;
  }

  /** Handles a complete block: a header, an extension of a sparse header, or a part of a sparse map. */
  #takeBlock(sink: MachineSink): void {
    if (this.#state === STATE.sparseBlock) this.#takeSparseBlock(sink);
    else if (this.#state === STATE.sparseMap) this.#takeMapBlock(sink);
    else if (this.#block.verify()) this.#takeHeader(sink);
    else {
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks < 2) return;
      this.#checkOrphans();
      this.#state = STATE.tail;
    }
  }

  #takeHeader(sink: MachineSink): void {
    this.#zeroBlocks = 0;
    const flag = this.#block.typeFlag;
    const isOrdinary = flag === 0 || (flag >= TYPE_FLAG.regular && flag <= TYPE_FLAG.contiguous);
    if (isOrdinary || this.#block.dialect(this.#reading) === 'v7') this.#startMember(sink, flag);
    else if (flag === TYPE_FLAG.paxGlobal) this.#passGlobal();
    else if (isExtensionFlag(flag)) this.#startExtension(flag);
    else this.#startMember(sink, flag);
  }

  /** A global PAX header stays inline, has no effect, and discards the extension headers before it, as in composefs-rs 0.9.4. */
  #passGlobal(): void {
    this.#extensions = new Extensions();
    this.#left = roundUpToBlock(this.#extensionSize());
    this.#padding = 0;
    this.#wanted = 0;
    if (this.#left > 0) this.#state = STATE.payload;
  }

  #extensionSize(): number {
    const sizeBytes = this.#block.number('size');
    if (sizeBytes > EXTENSION_BYTES_MAX) {
      const reason = `expected at most ${EXTENSION_BYTES_MAX} bytes, found ${sizeBytes}`;
      failTar('TAR_EXTENSION_TOO_LARGE', 'extension header', this.#block.offset, reason);
    }
    return sizeBytes;
  }

  #startExtension(flag: number): void {
    const sizeBytes = this.#extensionSize();
    this.#extensions.begin(flag, sizeBytes, this.#block.offset);
    this.#left = roundUpToBlock(sizeBytes);
    this.#state = STATE.extension;
    if (this.#left === 0) this.#endExtension();
  }

  #fillExtension(piece: Uint8Array, at: number): number {
    const end = Math.min(at + this.#left, piece.length);
    this.#extensions.fill(piece.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0) this.#endExtension();
    return end;
  }

  #endExtension(): void {
    this.#extensions.end();
    this.#state = STATE.header;
  }

  #startMember(sink: MachineSink, flag: number): void {
    const { pax } = this.#extensions;
    this.#storedBytes = pax?.sizeBytes ?? this.#block.number('size');
    if (flag === TYPE_FLAG.gnuSparse && this.#block.dialect(this.#reading) === 'gnu') {
      const { offset } = this.#block;
      const real = this.#block.numberAt(GNU_SPARSE.realSize, 12, 'real size');
      this.#sparse = new SparseMapBuilder(real, offset);
      if (addGnuRuns(this.#sparse, this.#block, false)) {
        this.#await(STATE.sparseBlock);
        return;
      }
    } else if (pax?.sparse !== undefined && isRegularFlag(flag)) {
      const sparse = parsePaxSparse(pax, this.#extensions.offset);
      this.#sparse = sparse?.map;
      this.#sparseName = sparse?.name;
      if (sparse?.mapInPayload === true) {
        this.#payloadMap = new PayloadMapReader(sparse.map, this.#extensions.offset);
        this.#await(STATE.sparseMap);
        return;
      }
    }
    this.#startPayload(this.#buildEntry(true), sink);
  }

  /** Waits for the rest of a sparse map; builds the entry now, because the next block overwrites the header block. */
  #await(state: State): void {
    this.#entry = this.#buildEntry(false);
    this.#state = state;
  }

  #takeSparseBlock(sink: MachineSink): void {
    if (this.#sparse === undefined || this.#entry === undefined) return;
    if (addGnuRuns(this.#sparse, this.#block, true)) return;
    const sparse = this.#sparse.finish(this.#storedBytes, 0);
    this.#startPayload({ ...this.#entry, sparse }, sink);
  }

  #takeMapBlock(sink: MachineSink): void {
    const map = this.#payloadMap;
    if (map === undefined || this.#sparse === undefined || this.#entry === undefined) return;
    const isComplete = map.take(this.#block.bytes);
    const sizeBytes = this.#storedBytes - map.mapBytes;
    if (sizeBytes < 0) {
      const reason = `expected a map within ${this.#storedBytes} bytes, found a longer one`;
      failSparse(this.#entry.offset, reason);
    }
    if (!isComplete) return;
    const sparse = this.#sparse.finish(sizeBytes, map.mapBytes);
    this.#startPayload({ ...this.#entry, sizeBytes, sparse }, sink);
  }

  /** `complete`: the header holds the whole sparse map, if there is one. */
  #buildEntry(complete: boolean): TarEntry {
    const sizeBytes = this.#storedBytes;
    const sparse = complete ? this.#sparse?.finish(sizeBytes, 0) : undefined;
    const fields = { name: this.#sparseName, sparse, sizeBytes };
    return buildEntry(this.#block, this.#extensions, fields, this.#reading);
  }

  #startPayload(entry: TarEntry, sink: MachineSink): void {
    if (this.#extensions.count > 0) this.#extensions = new Extensions();
    this.#sparse = undefined;
    this.#payloadMap = undefined;
    this.#sparseName = undefined;
    const { sizeBytes } = entry;
    const hasContent = entry.type === 'file';
    if (hasContent && sizeBytes > INLINE_BYTES_MAX) {
      this.#entry = entry;
      this.#left = sizeBytes;
      this.#state = STATE.external;
      return;
    }
    this.#left = roundUpToBlock(sizeBytes);
    this.#padding = this.#left - sizeBytes;
    this.#state = this.#left === 0 ? STATE.header : STATE.payload;
    this.#wanted = hasContent ? sizeBytes : 0;
    this.#collected = 0;
    if (this.#wanted === 0) sink.entry(entry, NO_CONTENT);
    else this.#entry = entry;
  }

  #isExternal(): boolean {
    return this.#state === STATE.external;
  }

  #startExternal(sink: MachineSink): void {
    if (this.#entry !== undefined && this.#form === 'whole') sink.externalStart(this.#entry);
  }

  #endExternal(sink: MachineSink): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    sink.externalEnd();
    sink.entry(entry, undefined);
    this.#toPadding(entry.sizeBytes);
  }

  #toPadding(sizeBytes: number): void {
    this.#entry = undefined;
    this.#wanted = 0;
    this.#left = roundUpToBlock(sizeBytes) - sizeBytes;
    this.#padding = this.#left;
    this.#state = this.#left === 0 ? STATE.header : STATE.payload;
  }

  /** Passes on inline payload and padding, and collects the payload for the entry. */
  #passPayload(piece: Uint8Array, at: number, sink: MachineSink): number {
    const end = Math.min(at + this.#left, piece.length);
    if (this.#wanted > 0) {
      const bytes = piece.subarray(at, Math.min(end, at + this.#wanted));
      this.#small.set(bytes, this.#collected);
      this.#collected += bytes.length;
      this.#wanted -= bytes.length;
      if (this.#wanted === 0 && this.#entry !== undefined) {
        sink.entry(this.#entry, this.#small.slice(0, this.#collected));
        this.#entry = undefined;
      }
    }
    this.#left -= end - at;
    if (this.#left === 0) this.#state = STATE.header;
    return end;
  }

  #checkOrphans(): void {
    if (this.#extensions.count === 0) return;
    const reason = 'expected a member after it, found the end';
    failTar('TAR_EXTENSION_ORPHANED', 'extension header', this.#extensions.offset, reason);
  }

  #failForm(offset: number, expected: string, found: string): never {
    const what = this.#entry === undefined ? 'stored bytes' : `payload of ${this.#entry.path}`;
    return failTar('TAR_CONTENT_FORM', what, offset, `expected ${expected}, found ${found}`);
  }
}

function roundUpToBlock(sizeBytes: number): number {
  return roundUp(sizeBytes, TAR_BLOCK_BYTES);
}
