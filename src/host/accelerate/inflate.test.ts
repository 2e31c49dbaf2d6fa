import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { needs } from '../../../test/support/capability.ts';
import { tryOpenLibrary } from '../ffi/ffi.ts';
import { type Inflater, isKnownRelease, tryOpenInflater } from './inflate.ts';

const MARK = 0xa5;

function opened(): Inflater {
  const inflater = tryOpenInflater();
  assert(inflater !== undefined);
  return inflater;
}

const stored = fc
  .record({
    content: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 150_000 }).map((length) => {
        return new Uint8Array(length).map((_, index) => (index * index) >>> 7);
      }),
    ),
    level: fc.integer({ min: 0, max: 9 }),
    strategy: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ content, ...options }) => ({ content, stream: deflateRawSync(content, options) }));

/** Inflates a stream in pieces of these sizes into a buffer between guard bytes. */
function inPieces(inflater: Inflater, input: Uint8Array, inputBytes: number, outputBytes: number) {
  const parts: Buffer[] = [];
  const room = Buffer.alloc(outputBytes + 128, MARK);
  const output = room.subarray(64, 64 + outputBytes);
  inflater.begin();
  let at = 0;
  for (let end = 0; ; ) {
    if (at === end) end = Math.min(at + inputBytes, input.length);
    const step = inflater.step(input.subarray(at, end), output);
    assert(room.subarray(0, 64).every((byte) => byte === MARK));
    assert(room.subarray(64 + outputBytes).every((byte) => byte === MARK));
    at += step.usedBytes;
    parts.push(Buffer.from(output.subarray(0, step.madeBytes)));
    const isStuck = at === input.length && step.madeBytes < outputBytes;
    if (step.state !== 'more' || isStuck) return { ...step, at, content: Buffer.concat(parts) };
  }
}

test('a stream inflates in pieces of any size, and its end and CRC-32 are found', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  using inflater = opened();
  const size = fc.integer({ min: 1, max: 70_000 });
  fc.assert(
    fc.property(stored, size, size, fc.nat({ max: 20 }), (file, inputBytes, outputBytes, tail) => {
      const input = Buffer.concat([file.stream, Buffer.alloc(tail, 0x5a)]);
      const small = file.content.length < 1000;
      const sizes = small
        ? [1 + (inputBytes % 40), 1 + (outputBytes % 40)]
        : [inputBytes, outputBytes];
      const found = inPieces(inflater, input, sizes[0] ?? 1, sizes[1] ?? 1);
      assert.equal(found.state, 'end');
      assert.equal(found.at, file.stream.length);
      assert(found.content.equals(file.content));
      assert.equal(inflater.crc32, crc32(file.content));
    }),
    { numRuns: 300 },
  );
});

test('a truncated stream reports no end, and a damaged one is reported as damaged', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  using inflater = opened();
  const content = Buffer.from('one and two and three and one and two'.repeat(9));
  const stream = deflateRawSync(content);
  for (let length = 0; length < stream.length; length += 1) {
    const found = inPieces(inflater, stream.subarray(0, length), 7, 4096);
    assert.equal(found.state, 'more');
    assert(content.subarray(0, found.content.length).equals(found.content));
  }
  const reserved = inPieces(inflater, Buffer.of(0x07), 1, 10);
  assert.deepEqual([reserved.state, reserved.reason], ['damaged', 'invalid block']);
  // A fixed block: the literal "a", then a match of 3 bytes from 2 bytes back, where there is one.
  const tooFar = inPieces(inflater, Buffer.of(0x4b, 0x04, 0x42, 0x00), 4, 10);
  assert.deepEqual([tooFar.state, tooFar.reason], ['damaged', 'invalid distance too far back']);
});

test('a whole stream inflates only if the size is right, and writes nothing past the output', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  using inflater = opened();
  fc.assert(
    fc.property(stored, fc.nat({ max: 9 }), ({ content, stream }, tail) => {
      const input = Buffer.concat([stream, Buffer.alloc(tail, 0x5a)]);
      const room = Buffer.alloc(content.length + 200, MARK);
      const fill = (length: number, bytes = input) => {
        room.fill(MARK);
        const isWhole = inflater.inflateWhole(bytes, room.subarray(100, 100 + length));
        assert(room.subarray(0, 100).every((byte) => byte === MARK));
        assert(room.subarray(100 + length).every((byte) => byte === MARK));
        return isWhole;
      };
      assert(!fill(content.length + 1));
      assert(content.length === 0 || !fill(content.length - 1));
      assert(!fill(content.length, stream.subarray(0, -1)));
      assert.equal(fill(content.length), tail === 0, 'what follows is seen');
      assert(fill(content.length, stream));
      assert(room.subarray(100, 100 + content.length).equals(content));
    }),
    { numRuns: 200 },
  );
});

test('two inflaters of one thread are independent', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  using first = opened();
  using second = opened();
  const [one, two] = [Buffer.alloc(90_000, 'first '), Buffer.alloc(90_000, 'second ')];
  const [oneStream, twoStream] = [deflateRawSync(one), deflateRawSync(two)];
  const found = Buffer.alloc(90_000);
  first.begin();
  const half = first.step(oneStream, found.subarray(0, 45_000));
  const other = Buffer.alloc(90_000);
  assert(second.inflateWhole(twoStream, other));
  assert(other.equals(two));
  const rest = first.step(oneStream.subarray(half.usedBytes), found.subarray(45_000));
  assert.equal(rest.state, 'end');
  assert(found.equals(one));
});

test('a disposed inflater is reused', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  const first = opened();
  first[Symbol.dispose]();
  using again = opened();
  assert.equal(again, first);
});

test('no library is opened if the environment forbids it, or if the library lacks a function', () => {
  const getpid = { getpid: ['int'] } as const;
  const names = ['no-such-library.so.9', 'libc.so.6'];
  const before = process.env['ONECOPY_ACCELERATION'];
  try {
    process.env['ONECOPY_ACCELERATION'] = 'on';
    assert.equal(tryOpenLibrary<{ getpid(): number }>(names, getpid)?.getpid(), process.pid);
    assert.equal(tryOpenLibrary(names, { ...getpid, no_such_function: ['int'] }), undefined);
    assert.equal(tryOpenLibrary(['no-such-library.so.9'], getpid), undefined);
    process.env['ONECOPY_ACCELERATION'] = 'off';
    assert.equal(tryOpenLibrary(names, getpid), undefined);
  } finally {
    if (before === undefined) delete process.env['ONECOPY_ACCELERATION'];
    else process.env['ONECOPY_ACCELERATION'] = before;
  }
});

/** Where Debian puts the library, by processor. */
const INSTALLED = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/libisal.so.2`);

test('a known release of the library is used where it is installed', (t) => {
  if (
    process.env['ONECOPY_ACCELERATION'] === 'off' ||
    !INSTALLED.some((path) => existsSync(path))
  ) {
    t.skip('the library is not installed');
    return;
  }
  // Does not use the capability: with a broken library, the self-test would fail and the test would be skipped.
  assert.notEqual(tryOpenInflater(), undefined);
});

test('a release of the library later than the known ones is not used', () => {
  const maps = (name: string) =>
    `7f00-7f01 r-xp 00000000 fe:00 12 /usr/lib/x86_64-linux-gnu/${name}\n`;
  assert.equal(isKnownRelease(maps('libisal.so.2.0.30')), true);
  assert.equal(isKnownRelease(`${maps('libc.so.6')}${maps('libisal.so.2.0.31')}`), true);
  assert.equal(isKnownRelease(maps('libisal.so.2.0.32')), false);
  assert.equal(isKnownRelease(maps('libisal.so.2.1.0')), false);
  assert.equal(isKnownRelease(maps('libisal.so.2')), false);
  assert.equal(isKnownRelease(''), false);
});
