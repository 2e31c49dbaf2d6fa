// Invariant: any bytes give what zlib gives, byte for byte and with the same end, or are called damaged by both; nothing is written outside.
import assert from 'node:assert/strict';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { tryOpenInflater } from '#host';

/** Name of the target and of its folder of inputs. */
export const name = 'inflate';

const LIMIT_BYTES = 256 * 1024;
const MARK = 0xa5;
/** Bytes behind the stream that are no part of it. */
const TAIL = Buffer.alloc(9, 0x5a);

/** Streams to damage: stored, fixed and dynamic blocks, and one that repeats from far back. */
export function seeds(): Uint8Array[] {
  const text = Buffer.from(Array.from({ length: 900 }, (_, at) => `${at * at} `).join(''));
  return [
    deflateRawSync(text, { level: 0 }),
    deflateRawSync(text, { strategy: 4 }),
    deflateRawSync(text),
    deflateRawSync(Buffer.concat([text, Buffer.alloc(33_000), text])),
  ];
}

/** Inflates the bytes by both, with other bytes behind them. Hosts without the library have nothing to compare. */
export function run(bytes: Uint8Array): void {
  using inflater = tryOpenInflater();
  if (inflater === undefined) return;
  const input = Buffer.concat([bytes, TAIL]);
  const expected = byZlib(input);
  const room = Buffer.alloc(LIMIT_BYTES + 128, MARK);
  inflater.begin();
  const step = inflater.step(input, room.subarray(64, 64 + LIMIT_BYTES));
  assert.ok(room.subarray(0, 64).every((byte) => byte === MARK));
  assert.ok(room.subarray(64 + LIMIT_BYTES).every((byte) => byte === MARK));
  assert.ok(step.madeBytes <= LIMIT_BYTES && step.usedBytes <= input.length);
  if (expected === undefined || step.state !== 'end') {
    assert.ok(
      expected === undefined || step.madeBytes === LIMIT_BYTES,
      `zlib found an end: ${step.state}`,
    );
    return;
  }
  assert.equal(step.usedBytes, expected.usedBytes);
  assert.ok(room.subarray(64, 64 + step.madeBytes).equals(expected.content));
}

function byZlib(
  input: Buffer,
): { readonly content: Buffer; readonly usedBytes: number } | undefined {
  try {
    const { buffer, engine } = inflateRawSync(input, {
      info: true,
      maxOutputLength: 4 * LIMIT_BYTES,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    return { content: buffer, usedBytes: engine.bytesWritten };
  } catch {
    return undefined;
  }
}
