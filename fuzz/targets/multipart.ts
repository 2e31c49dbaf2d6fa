// Invariant: any body gives wanted bytes once, in any pieces alike, and the rest as missing, or one FormatError.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { RangeBody, readRangeHead } from '#remotes/http';

/** Name of the target and of its folder of inputs. */
export const name = 'multipart';

const BLOB_BYTES = 2000;
const WANTED = [
  { offset: 10, length: 20 },
  { offset: 300, length: 1 },
  { offset: 500, length: 40 },
];
const WANTED_BYTES = 61;

/** Reads the bytes as a body of parts, and as headers. */
export function run(bytes: Uint8Array): void {
  const cut = Math.floor(bytes.length / 2);
  const whole = receive([bytes]);
  assert.deepEqual(receive([bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
  const text = Buffer.from(bytes.subarray(0, 500)).toString('latin1');
  for (const header of ['content-range', 'content-type']) {
    guarded(() => readRangeHead(206, new Map([[header, text]]), BLOB_BYTES));
  }
}

/** A right body, one with joined parts, and values of headers. */
export function seeds(): readonly Uint8Array[] {
  const part = (offset: number, length: number) =>
    `--b\r\nContent-Range: bytes ${offset}-${offset + length - 1}/${BLOB_BYTES}\r\n\r\n${'x'.repeat(length)}\r\n`;
  const parts = WANTED.map(({ offset, length }) => part(offset, length)).join('');
  return [
    `\r\n${parts}--b--\r\n`,
    `${part(0, 600)}--b--`,
    'bytes 0-9/2000',
    'multipart/byteranges; boundary="b"',
  ].map((text) => Buffer.from(text));
}

function receive(pieces: readonly Uint8Array[]): string {
  const reader = new RangeBody({ kind: 'multipart', boundary: 'b' }, WANTED, BLOB_BYTES);
  const seen = new Set<number>();
  const outcome = guarded(() => {
    for (const piece of pieces) {
      for (const { offset, bytes } of reader.push(piece)) {
        for (let at = offset; at < offset + bytes.length; at += 1) {
          assert.ok(!seen.has(at));
          seen.add(at);
        }
      }
    }
  });
  const missing = reader.end().reduce((sum, { length }) => sum + length, 0);
  assert.equal(seen.size + missing, WANTED_BYTES);
  return `${outcome} ${seen.size}`;
}

function guarded(work: () => unknown): string {
  try {
    work();
    return 'read';
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.code;
  }
}
