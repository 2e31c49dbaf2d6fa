import type { BlobPiece, ByteRange } from '#base/flow';

/** A half-open span of missing bytes. */
interface Span {
  start: number;
  readonly end: number;
}

/** Tracks which requested bytes are missing, and passes every byte once. */
export class WantedBytes {
  /** In ascending order, not adjacent. */
  readonly #spans: Span[];

  /** @param ranges in ascending order, not overlapping */
  constructor(ranges: readonly ByteRange[]) {
    this.#spans = ranges.map(({ offset, length }) => ({ start: offset, end: offset + length }));
  }

  /** The missing parts of these bytes, as views. */
  *take(offset: number, bytes: Uint8Array): Generator<BlobPiece> {
    const end = offset + bytes.length;
    for (let at = 0; at < this.#spans.length; ) {
      const span = this.#spans[at] as Span;
      if (span.start >= end) return;
      const start = Math.max(span.start, offset);
      const stop = Math.min(span.end, end);
      if (start >= stop) {
        at += 1;
        continue;
      }
      const left: Span[] = [];
      if (span.start < start) left.push({ start: span.start, end: start });
      if (stop < span.end) left.push({ start: stop, end: span.end });
      this.#spans.splice(at, 1, ...left);
      at += left.length;
      yield { offset: start, bytes: bytes.subarray(start - offset, stop - offset) };
    }
  }

  /** The missing ranges, in ascending order. */
  missing(): ByteRange[] {
    return this.#spans.map(({ start, end }) => ({ offset: start, length: end - start }));
  }
}
