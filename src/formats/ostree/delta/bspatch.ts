import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';

/** Largest piece produced at once, in bytes. */
const PIECE_BYTES = 64 * 1024;
/** Three 8-byte numbers before each step of a patch. */
const CONTROL_BYTES = 24;

/**
 * Applies a bsdiff patch in libostree's form (no header, not compressed) and passes the new content to `write`, piece by
 * piece. Each step: x bytes added to the source (outside of it zeros), y literal bytes, then the source
 * position moves by z more. Pieces are reused: copy to keep. Source: OSTree spec 2.15.
 * @throws FormatError OSTREE_DELTA_INVALID
 */
export function applyBspatch(
  patch: Uint8Array,
  source: RandomReader,
  sizeBytes: number,
  write: (piece: Uint8Array) => void,
): void {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
  let at = 0;
  let sourceAt = 0;
  let left = sizeBytes;
  while (left > 0) {
    if (patch.length - at < CONTROL_BYTES) failPatch(at, 'three more numbers', 'the end');
    const differences = control(patch, at);
    const extra = control(patch, at + 8);
    const seek = control(patch, at + 16);
    at += CONTROL_BYTES;
    if (differences < 0 || extra < 0 || differences + extra > left) {
      failPatch(at, `at most ${left} more bytes`, `${differences} and ${extra}`);
    }
    if (differences + extra > patch.length - at) failPatch(at, 'more data', 'the end');
    addDifferences(patch.subarray(at, at + differences), source, sourceAt, { buffer, write });
    at += differences;
    if (extra > 0) write(patch.subarray(at, at + extra));
    at += extra;
    left -= differences + extra;
    sourceAt += differences + seek;
    if (!Number.isSafeInteger(sourceAt)) failPatch(at, 'a position', String(sourceAt));
  }
}

function addDifferences(
  differences: Uint8Array,
  source: RandomReader,
  sourceAt: number,
  to: { readonly buffer: Uint8Array; readonly write: (piece: Uint8Array) => void },
): void {
  for (let at = 0; at < differences.length; at += PIECE_BYTES) {
    const part = differences.subarray(at, at + PIECE_BYTES);
    const piece = to.buffer.subarray(0, part.length);
    readPadded(source, sourceAt + at, piece);
    for (let i = 0; i < part.length; i++) {
      piece[i] = (piece[i] as number) + (part[i] as number);
    }
    to.write(piece);
  }
}

/** Fills `into` from the source, with zeros outside of it. */
function readPadded(source: RandomReader, offset: number, into: Uint8Array): void {
  into.fill(0);
  const before = Math.min(Math.max(0, -offset), into.length);
  const from = Math.max(0, offset);
  const count = Math.min(into.length - before, Math.max(0, source.sizeBytes - from));
  readFully(source, from, into.subarray(before, before + count));
}

/**
 * Fills `into` from `offset`.
 * @throws FormatError OSTREE_DELTA_INVALID when the source ends too early
 */
export function readFully(source: RandomReader, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const count = source.read(offset + done, into.subarray(done));
    if (count === 0) failPatch(offset + done, 'more bytes of the source object', 'its end');
    done += count;
  }
}

/** A number with its sign in the top bit and its magnitude little-endian. */
function control(patch: Uint8Array, at: number): number {
  const view = new DataView(patch.buffer, patch.byteOffset + at, 8);
  const high = view.getUint32(4, true);
  const magnitude = (high % 0x80000000) * 0x100000000 + view.getUint32(0, true);
  if (!Number.isSafeInteger(magnitude)) failPatch(at, 'a number below 2^53', String(magnitude));
  return high >= 0x80000000 ? -magnitude : magnitude;
}

function failPatch(offset: number, expected: string, found: string): never {
  throw new FormatError(
    'OSTREE_DELTA_INVALID',
    `Cannot apply patch at ${offset}: expected ${expected}, found ${found}`,
    { offset, what: 'bspatch', expected, found },
  );
}
