import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isOnecopyError } from '#base/errors';
import type { Compression } from '#formats/oci';
import { type UnpackLimits, unpack } from './unpack.ts';

const TEXT = Buffer.from('a small layer, '.repeat(40));
const MORE = Buffer.from('and what follows it '.repeat(30));
const SKIPPED = Buffer.from('502a4d180500000068656c6c6f', 'hex');

function* inPieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  // One buffer for all pieces, as readers use it.
  const buffer = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

async function unpacked(
  bytes: Uint8Array,
  compression: Compression,
  options: Partial<UnpackLimits> & { readonly size?: number } = {},
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const source = inPieces(bytes, options.size ?? 7);
  for await (const piece of unpack(source, compression, { what: 'layer', ...options })) {
    parts.push(new Uint8Array(piece));
  }
  return Buffer.concat(parts);
}

async function codeOf(bytes: Uint8Array, compression: Compression): Promise<string> {
  try {
    await unpacked(bytes, compression);
    return 'accepted';
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return error.code;
  }
}

const ACCEPTED: readonly [what: string, compression: Compression, bytes: Buffer, tar: Buffer][] = [
  ['plain bytes', 'none', TEXT, TEXT],
  ['no bytes at all', 'none', Buffer.alloc(0), Buffer.alloc(0)],
  ['one gzip member', 'gzip', gzipSync(TEXT), TEXT],
  ['an empty gzip member', 'gzip', gzipSync(Buffer.alloc(0)), Buffer.alloc(0)],
  [
    'two gzip members',
    'gzip',
    Buffer.concat([gzipSync(TEXT), gzipSync(MORE)]),
    Buffer.concat([TEXT, MORE]),
  ],
  ['one zstd frame', 'zstd', zstdCompressSync(TEXT), TEXT],
  [
    'two zstd frames',
    'zstd',
    Buffer.concat([zstdCompressSync(TEXT), zstdCompressSync(MORE)]),
    Buffer.concat([TEXT, MORE]),
  ],
  [
    'skippable frames before, between and after',
    'zstd',
    Buffer.concat([SKIPPED, zstdCompressSync(TEXT), SKIPPED, zstdCompressSync(MORE), SKIPPED]),
    Buffer.concat([TEXT, MORE]),
  ],
];

for (const [what, compression, bytes, tar] of ACCEPTED) {
  test(`unpack reads ${what}, however the blob is cut`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length + 1 }), async (size) => {
        assert.deepEqual(await unpacked(bytes, compression, { size }), tar);
      }),
      { numRuns: 25 },
    );
  });
}

for (const [compression, whole] of [
  ['gzip', Buffer.concat([gzipSync(TEXT), gzipSync(MORE)])],
  ['zstd', Buffer.concat([zstdCompressSync(TEXT), SKIPPED, zstdCompressSync(MORE)])],
] as const) {
  test(`unpack refuses ${compression} that is cut anywhere but between its parts`, async () => {
    const first = compression === 'gzip' ? gzipSync(TEXT) : zstdCompressSync(TEXT);
    const ends = [
      first.length,
      whole.length,
      ...(compression === 'zstd' ? [first.length + SKIPPED.length] : []),
    ];
    for (let length = 0; length <= whole.length; length += 1) {
      const expected = ends.includes(length) ? 'accepted' : 'LAYER_COMPRESSION_INVALID';
      assert.equal(await codeOf(whole.subarray(0, length), compression), expected, `${length}`);
    }
  });

  test(`unpack refuses whatever follows ${compression}`, async () => {
    for (const tail of ['00', '0000000000', '1f', '1f8b', '28b5', '7573746172']) {
      const bytes = Buffer.concat([whole, Buffer.from(tail, 'hex')]);
      assert.equal(await codeOf(bytes, compression), 'LAYER_COMPRESSION_INVALID', tail);
    }
  });

  test(`unpack either refuses damaged ${compression} or gives something, and always ends`, async () => {
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      assert.match(await codeOf(bytes, compression), /^(accepted|LAYER_COMPRESSION_INVALID)$/);
    }
  });
}

test('unpack refuses zeros between gzip members, which would hide the second one', async () => {
  const bytes = Buffer.concat([gzipSync(TEXT), Buffer.alloc(20), gzipSync(MORE)]);
  assert.equal(await codeOf(bytes, 'gzip'), 'LAYER_COMPRESSION_INVALID');
});

test('unpack stops at the limit of the caller and lets the exact size pass', async () => {
  const bytes = gzipSync(TEXT);
  const exact = await unpacked(bytes, 'gzip', { layerBytesMax: TEXT.length });
  assert.equal(exact.length, TEXT.length);
  await assert.rejects(unpacked(bytes, 'gzip', { layerBytesMax: TEXT.length - 1 }), {
    code: 'LAYER_TOO_LARGE',
  });
});

test('unpack stops a bomb by its ratio', async () => {
  const frames = Buffer.concat(Array(24).fill(zstdCompressSync(Buffer.alloc(48 << 20))));
  let outputBytes = 0;
  await assert.rejects(
    async () => {
      for await (const piece of unpack([frames], 'zstd', { what: 'bomb' }))
        outputBytes += piece.length;
    },
    { code: 'LAYER_TOO_LARGE' },
  );
  assert.ok(outputBytes <= 2 ** 30, `${outputBytes} bytes came out`);
});

test('unpack refuses a zstd window that would take more memory than a pull may', async () => {
  // Magic, a header without content size, window 2^10 << 18 = 256 MiB, one raw block of one byte.
  const frame = Buffer.from('28b52ffd00900900006100', 'hex');
  const usual = Buffer.from('28b52ffd005009000061', 'hex');
  assert.equal(await codeOf(frame.subarray(0, -1), 'zstd'), 'LAYER_COMPRESSION_INVALID');
  assert.equal(await codeOf(usual, 'zstd'), 'accepted');
});

test('an error of the source comes through as it is', async () => {
  const broken = new Error('the disk is gone');
  async function* source() {
    yield gzipSync(TEXT).subarray(0, 20);
    throw broken;
  }
  await assert.rejects(
    async () => {
      for await (const _ of unpack(source(), 'gzip', { what: 'layer' }));
    },
    (error) => error === broken,
  );
});
