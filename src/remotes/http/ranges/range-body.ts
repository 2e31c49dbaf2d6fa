import type { BlobPiece, ByteRange } from '#base/flow';
import { EDGE_BYTES_MAX, PART_HEAD_BYTES_MAX, SPARE_PARTS } from './layout.ts';
import { failRange, parseContentRange, type RangeHead } from './range-head.ts';
import { WantedBytes } from './wanted.ts';

/** Heads of responses with ranges. */
export type RangeBodyHead = Extract<RangeHead, { kind: 'single' | 'multipart' }>;

type State = 'preamble' | 'boundary' | 'head' | 'content' | 'end';

const CR = 0x0d;
const LF = 0x0a;

/**
 * Parses the body of a 206, in pieces of any size. Every requested byte is emitted once, with its offset in the blob, in the order of the
 * server. Parts may be reordered, joined, split or repeated; after an early end, bytes are missing. The length of a part comes from its
 * Content-Range, so content is never searched for a boundary. Sans-I/O; buffers one header section. Source: RFC 9110, section 14.6; RFC
 * 2046, section 5.1.1.
 */
export class RangeBody {
  readonly #wanted: WantedBytes;
  readonly #blobBytes: number;
  readonly #delimiter: Buffer;
  readonly #closing: Buffer;
  readonly #isSingle: boolean;
  #partsLeft: number;
  #state: State;
  /** Text of a boundary line or a header section, not yet complete. */
  #text: Buffer = Buffer.alloc(0);
  #edgeBytes = 0;
  #offset: number;
  #left: number;
  /** Bytes of the body before the next one. */
  #bodyBytes = 0;

  /** @param wanted the requested ranges, in ascending order, not overlapping, within the blob */
  constructor(head: RangeBodyHead, wanted: readonly ByteRange[], blobBytes: number) {
    this.#wanted = new WantedBytes(wanted);
    this.#blobBytes = blobBytes;
    const boundary = head.kind === 'multipart' ? head.boundary : '';
    this.#delimiter = Buffer.from(`--${boundary}`, 'latin1');
    this.#closing = Buffer.from(`--${boundary}--`, 'latin1');
    this.#partsLeft = wanted.length + SPARE_PARTS;
    this.#state = head.kind === 'multipart' ? 'preamble' : 'content';
    this.#offset = head.kind === 'single' ? head.range.offset : 0;
    this.#left = head.kind === 'single' ? head.range.length : 0;
    this.#isSingle = head.kind === 'single';
  }

  /** Parses the next bytes of the body. The pieces are views. @throws FormatError RANGE_RESPONSE_INVALID */
  *push(piece: Uint8Array): Generator<BlobPiece> {
    for (let at = 0; at < piece.length; ) {
      if (this.#state === 'content') {
        const bytes = piece.subarray(at, at + this.#left);
        at += bytes.length;
        yield* this.#wanted.take(this.#offset, bytes);
        this.#offset += bytes.length;
        this.#left -= bytes.length;
        this.#bodyBytes += bytes.length;
        if (this.#left === 0) this.#state = this.#isSingle ? 'end' : 'boundary';
      } else if (this.#state === 'end') {
        this.#passEdge(piece.length - at, 'after the last part');
        return;
      } else at = this.#takeLine(piece, at);
    }
  }

  /** Ends the body. Returns the missing ranges, in ascending order. */
  end(): ByteRange[] {
    return this.#wanted.missing();
  }

  /** Collects text up to the end of a line. */
  #takeLine(piece: Uint8Array, from: number): number {
    const found = piece.indexOf(LF, from);
    const end = found < 0 ? piece.length : found + 1;
    const heldBytes = this.#text.length;
    this.#text = Buffer.concat([this.#text, piece.subarray(from, end)]);
    if (
      this.#state !== 'head' &&
      this.#text.subarray(0, this.#closing.length).equals(this.#closing)
    ) {
      // The end mark needs no line end, and bytes after it are ignored.
      this.#state = 'end';
      this.#text = Buffer.alloc(0);
      this.#bodyBytes += this.#closing.length - heldBytes;
      return from + this.#closing.length - heldBytes;
    }
    this.#bodyBytes += end - from;
    const limit = this.#state === 'preamble' ? EDGE_BYTES_MAX : PART_HEAD_BYTES_MAX;
    if (this.#text.length > limit) {
      failRange(this.#state, this.#bodyBytes, `expected at most ${limit} bytes, found more`);
    }
    if (found >= 0) this.#endLine();
    return end;
  }

  #endLine(): void {
    if (this.#state === 'head') {
      if (isEmptyLineAtEnd(this.#text)) this.#startPart();
      return;
    }
    const line = trimLine(this.#text);
    this.#text = Buffer.alloc(0);
    if (line.equals(this.#delimiter)) this.#state = 'head';
    else if (this.#state === 'boundary' && line.length > 0) {
      failRange('boundary', this.#bodyBytes, 'expected a boundary after a part, found other bytes');
    } else this.#passEdge(line.length + 1, 'before a part');
  }

  #startPart(): void {
    const lines = this.#text.toString('latin1').split(/\r?\n/);
    this.#text = Buffer.alloc(0);
    if (this.#partsLeft === 0)
      failRange('parts', this.#bodyBytes, 'expected those asked for, found more');
    this.#partsLeft -= 1;
    const texts = lines.filter((line) => /^content-range\s*:/i.test(line));
    const [text] = texts;
    if (text === undefined || texts.length > 1) {
      failRange('part', this.#bodyBytes, `expected one Content-Range, found ${texts.length}`);
    }
    const value = text.slice(text.indexOf(':') + 1);
    const { offset, length } = parseContentRange(value, this.#blobBytes, this.#bodyBytes);
    this.#offset = offset;
    this.#left = length;
    this.#state = 'content';
  }

  #passEdge(bytes: number, where: string): void {
    this.#edgeBytes += bytes;
    this.#bodyBytes += this.#state === 'end' ? bytes : 0;
    if (this.#edgeBytes > EDGE_BYTES_MAX) {
      failRange(
        'body',
        this.#bodyBytes,
        `expected at most ${EDGE_BYTES_MAX} bytes ${where}, found more`,
      );
    }
  }
}

function trimLine(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && isLineBlank(line[end - 1])) end -= 1;
  return line.subarray(0, end);
}

function isLineBlank(code: number | undefined): boolean {
  return code === LF || code === CR || code === 0x20 || code === 0x09;
}

function isEmptyLineAtEnd(text: Buffer): boolean {
  const whole = text.toString('latin1');
  return whole === '\r\n' || whole === '\n' || whole.endsWith('\n\r\n') || whole.endsWith('\n\n');
}
