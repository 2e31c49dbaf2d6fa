import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import { readChunkedImages } from '../../../test/support/chunked-layers.ts';
import {
  type FramePart,
  inflateZstd,
  inflateZstdSync,
  walkZstdFrames,
  ZstdFrameSplitter,
} from './index.ts';

const LARGE = Buffer.alloc(3 << 20, 'the same words again, ');
const SKIPPABLE = Buffer.from('50' + '2a4d18' + '03000000' + 'aabbcc', 'hex');
const EMPTY_SKIPPABLE = Buffer.from('5f' + '2a4d18' + '00000000', 'hex');

function frame(content: Uint8Array, hasChecksum = false): Buffer {
  const params = { [constants.ZSTD_c_checksumFlag]: hasChecksum ? 1 : 0 };
  return zstdCompressSync(content, { params });
}

function split(pieces: Iterable<Uint8Array>): FramePart[] {
  const splitter = new ZstdFrameSplitter();
  const parts: FramePart[] = [];
  for (const piece of pieces) {
    for (const part of splitter.push(piece)) parts.push({ ...part, bytes: part.bytes.slice() });
  }
  splitter.finish();
  return parts;
}

/** Each frame, whole. */
function framesOf(parts: readonly FramePart[]): Buffer[] {
  const frames: Buffer[] = [];
  let held: Uint8Array[] = [];
  for (const { bytes, isLast } of parts) {
    held.push(bytes);
    if (!isLast) continue;
    frames.push(Buffer.concat(held));
    held = [];
  }
  assert.equal(held.length, 0);
  return frames;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const end of [...ends, bytes.length]) {
    pieces.push(bytes.slice(at, end));
    at = end;
  }
  return pieces;
}

async function inflateByFrames(pieces: Iterable<Uint8Array>): Promise<Buffer> {
  const out: Uint8Array[] = [];
  for await (const piece of inflateZstd(pieces, {}, true)) out.push(piece.slice());
  return Buffer.concat(out);
}

const FRAMES = fc.array(
  fc.oneof(
    fc
      .tuple(fc.uint8Array({ maxLength: 400 }), fc.boolean())
      .map(([content, sum]) => frame(content, sum)),
    fc.constantFrom(SKIPPABLE, EMPTY_SKIPPABLE, frame(LARGE), frame(Buffer.alloc(0), true)),
  ),
  { minLength: 1, maxLength: 6 },
);

test('the splitter finds the frames that walkZstdFrames finds, however the data is cut', () => {
  fc.assert(
    fc.property(FRAMES, fc.array(fc.nat(2000), { maxLength: 12 }), (frames, places) => {
      const bytes = Buffer.concat(frames);
      const walked = [...walkZstdFrames(bytes)].filter(({ kind }) => kind === 'zstd');
      const parts = split(cut(bytes, places));
      assert.deepEqual(
        framesOf(parts),
        walked.map(({ offset, lengthBytes }) => bytes.subarray(offset, offset + lengthBytes)),
      );
      assert.deepEqual(
        parts.filter(({ isLast }) => isLast).map(({ inflatedMax }) => inflatedMax),
        walked.map(({ inflatedMax }) => inflatedMax),
      );
    }),
    { numRuns: 60 },
  );
});

test('inflating frames one by one gives what zstd gives for the whole', async () => {
  await fc.assert(
    fc.asyncProperty(FRAMES, fc.array(fc.nat(2000), { maxLength: 6 }), async (frames, places) => {
      const bytes = Buffer.concat(frames);
      const expected = Buffer.concat(
        frames.filter((one) => (one[0] ?? 0) === 0x28).map((one) => zstdDecompressSync(one)),
      );
      assert.ok((await inflateByFrames(cut(bytes, places))).equals(expected));
      const maxOutputLength = expected.length + 1;
      assert.ok(expected.equals(inflateZstdSync(bytes, { maxOutputLength }, true)));
    }),
    { numRuns: 30 },
  );
});

test('a real layer of many frames inflates by frames to the same tar', async () => {
  const layers = readChunkedImages('oci').filter(
    ({ blob }) => blob[0] === 0x28 && [...walkZstdFrames(blob)].length > 3,
  );
  assert.ok(layers.length > 0);
  for (const { blob } of layers) {
    assert.ok(
      (await inflateByFrames(cut(blob, [1, 5, 9000, 70_000]))).equals(zstdDecompressSync(blob)),
    );
  }
});

test('inflateByFrames allows its source to overwrite a piece after the next one is requested', async () => {
  const bytes = Buffer.concat([frame(Buffer.from('one')), frame(LARGE), frame(Buffer.from('two'))]);
  const buffer = Buffer.alloc(100);
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const copied = bytes.copy(buffer, 0, at);
      yield buffer.subarray(0, copied);
      buffer.fill(0xff);
    }
  };
  const expected = Buffer.concat([Buffer.from('one'), LARGE, Buffer.from('two')]);
  assert.ok((await inflateByFrames(pieces())).equals(expected));
});

test('truncation, damage and foreign bytes after a frame are refused', async () => {
  const bytes = Buffer.concat([frame(Buffer.from('abc'), true), SKIPPABLE, frame(LARGE, true)]);
  const ends = new Set([
    0,
    ...[...walkZstdFrames(bytes)].map((one) => one.offset + one.lengthBytes),
  ]);
  for (let length = 1; length < bytes.length; length += 1) {
    if (ends.has(length)) continue;
    await assert.rejects(inflateByFrames([bytes.subarray(0, length)]), `cut at ${length}`);
  }
  await assert.rejects(inflateByFrames([bytes, Buffer.from('junk behind')]), (error) =>
    hasCode(error, 'ZSTD_FRAME_INVALID'),
  );
  const flipped = Buffer.from(bytes);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  await assert.rejects(inflateByFrames([flipped]), { code: /^ZSTD_/ });
  const reserved = Buffer.from('28b52ffd2001' + '0f0000' + '61', 'hex');
  await assert.rejects(inflateByFrames([reserved]), (error) =>
    hasCode(error, 'ZSTD_FRAME_INVALID'),
  );
});

test('frames that inflate to more than the limit are refused', () => {
  const two = Buffer.concat([frame(Buffer.from('abc')), frame(Buffer.from('d'))]);
  for (const byFrames of [true, false]) {
    assert.equal(inflateZstdSync(two, { maxOutputLength: 4 }, byFrames).length, 4);
    for (const maxOutputLength of [3, 2]) {
      assert.throws(() => inflateZstdSync(two, { maxOutputLength }, byFrames), {
        code: 'ERR_BUFFER_TOO_LARGE',
      });
    }
  }
});

test('an error of the source is passed on, and the source is closed when the consumer stops', async () => {
  const failing = function* () {
    yield frame(Buffer.from('abc'));
    yield frame(LARGE).subarray(0, 40);
    throw new TypeError('of the source');
  };
  await assert.rejects(inflateByFrames(failing()), /of the source/);
  let isClosed = false;
  const endless = function* () {
    try {
      for (;;) yield frame(Buffer.from('abc'));
    } finally {
      isClosed = true;
    }
  };
  for await (const piece of inflateZstd(endless(), {}, true)) {
    assert.equal(Buffer.from(piece).toString(), 'abc');
    break;
  }
  await new Promise(setImmediate);
  assert.ok(isClosed);
});
