import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlainBlockHash } from './block-hash.ts';
import { computeVerity, hashBlocks, VerityHasher } from './hasher.ts';
import { ALGORITHMS, DESCRIPTOR, type VerityAlgorithm } from './layout.ts';

const BOTH = ['sha256', 'sha512'] as const;

/** Reference implementation of fs-verity, short and slow: whole levels at once. */
function referenceVerity(bytes: Uint8Array, algorithm: VerityAlgorithm): string {
  const level = (data: Buffer): Buffer[] => {
    const digests: Buffer[] = [];
    for (let at = 0; at < data.length; at += 4096) {
      const block = Buffer.alloc(4096);
      data.copy(block, 0, at, at + 4096);
      digests.push(hash(algorithm, block, 'buffer'));
    }
    return digests;
  };
  let digests = level(Buffer.from(bytes));
  while (digests.length > 1) digests = level(Buffer.concat(digests));
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, ALGORITHMS[algorithm].kernelId, 12, 0]);
  descriptor.writeBigUInt64LE(BigInt(bytes.length), 8);
  digests[0]?.copy(descriptor, 16);
  return hash(algorithm, descriptor, 'hex');
}

/** Digests of files filled with 0x5a, made with `fsverity digest`, and of texts that composefs-rs pins. */
const VECTORS: readonly [what: string, bytes: Uint8Array, sha256: string, sha512?: string][] = [
  [
    'hello world',
    Buffer.from('hello world'),
    '1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64',
    '18430270729d162d4e469daca123ae61893db4b0583d8f7081e3bf4f92b88ba514e7982f10733fb6aa895195c5ae8fd2eb2c47a8be05513ce5a0c51a6f570409',
  ],
  [
    'nothing',
    filler(0),
    '3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95',
    'ccf9e5aea1c2a64efa2f2354a6024b90dffde6bbc017825045dce374474e13d10adb9dadcc6ca8e17a3c075fbd31336e8f266ae6fa93a6c3bed66f9e784e5abf',
  ],
  [
    '1 byte',
    filler(1),
    'ed1ca3d522e4b885a33e9cfc3803b4aab52c718d99b449eef0caeb3170ff641d',
    '32c74dc7b1ee07c8788ffda7f82293082584ac4ae2e4404806f50134684cb8a0448d9ab21454e4777feadbfea5ba1b9108578a91f0c28dde91c0f56832374c25',
  ],
  [
    '4096 bytes',
    filler(4096),
    'dae733f4cb5a63767cb1041a2bd774ca90c91dfd490554e5edab17886d474600',
    '17060cff50b93c9fd092ec791ae719fe1e158a3464ad201092affc037fde252aadfbf44eceac836e76317536ea96684ab5a89562d41067583dc2090095f46034',
  ],
  [
    '4097 bytes',
    filler(4097),
    'd2619d9db529bfcc1b0179d7f22a3275ef40456580ebd246fb1c0faa70cc1f6c',
    'fc1aa4d2aeb1f623ac4c200411eb8529a913f8591af998a357a6462746d9ac163601f975dc0b9b78bf0790f7d3af548e355dccc1b31562b21e1a7f8ee8829ae3',
  ],
  [
    '262144 bytes',
    filler(262144),
    'bdf787e83ed0b89451f849d4dc23747fe59117afef81e6b18cc1011805cdd2d7',
    '35bcd8b3de7d2ecccf5fb2cc8ead107edbd53238f419e0f7e05b38fc50500ed22946528c5a9f20658e12f89d89b9d38a3096f29f67a2e8bbfccfa92d06be7c28',
  ],
  [
    '262145 bytes',
    filler(262145),
    'db90d7fe2fb0876a440d8bad9483f26ca3a68203e733b0877a7ee91674d19515',
    'ba55b464501c641d2af19858190dc31fd26a5c80da4fdde083aecf096d01e82275eb8c085c0bfc61bbededa0a2badc91daf716d770a36d4406cd68789f3a9129',
  ],
  [
    '524288 bytes',
    filler(524288),
    'fa6dd50c6117479a8e0691104fd19c93263b8fc12c56a7c581d36a1fe2990845',
  ],
  [
    '524289 bytes',
    filler(524289),
    '44a3ceba1c1a2896d0002c3b1e15f332291e8ef3c4760f14531061f17d6dc423',
  ],
  [
    '16777217 bytes',
    filler(16777217),
    '491fc16c6cad9313597f9832fe1d47668607ac1656096ff47a76b02dc1ddf345',
    '2d2c5a116d7d896450999e49f27b5c3ed3eaa7e834dc2138ba6dff9b16d8c9be1830c6df0fb87a56cab63af9182f773e3a5222c2f021018cdd370b1257d420c9',
  ],
  [
    '4095 zeros',
    new Uint8Array(4095),
    '5372beb83c78537c8970c8361e3254119fafdf1763854ecd57d3f0fe2da7c719',
  ],
  [
    '4096 zeros',
    new Uint8Array(4096),
    'babc284ee4ffe7f449377fbf6692715b43aec7bc39c094a95878904d34bac97e',
  ],
  [
    '4097 zeros',
    new Uint8Array(4097),
    '093756e4ea9683329106d4a16982682ed182c14bf076463a9e7f97305cbac743',
  ],
];

function filler(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x5a);
}

for (const [what, bytes, sha256, sha512] of VECTORS) {
  test(`computeVerity of ${what} equals the pinned digest`, () => {
    assert.equal(computeVerity(bytes, 'sha256'), sha256);
    if (sha512 !== undefined) assert.equal(computeVerity(bytes, 'sha512'), sha512);
  });
}

for (const algorithm of BOTH) {
  test(`${algorithm} digests equal those of whole-level hashing at every block and level boundary`, () => {
    const { arity } = ALGORITHMS[algorithm];
    for (const blocks of [0, 1, 2, arity - 1, arity, arity + 1, 2 * arity]) {
      for (const delta of [-4095, -1, 0, 1, 4095]) {
        const sizeBytes = blocks * 4096 + delta;
        if (sizeBytes < 0) continue;
        const bytes = filler(sizeBytes);
        assert.equal(computeVerity(bytes, algorithm), referenceVerity(bytes, algorithm));
      }
    }
  });

  test(`${algorithm} digests equal those of whole-level hashing where a third level begins`, () => {
    const edge = ALGORITHMS[algorithm].arity ** 2 * 4096;
    for (const sizeBytes of [edge - 1, edge, edge + 1]) {
      const bytes = filler(sizeBytes);
      assert.equal(computeVerity(bytes, algorithm), referenceVerity(bytes, algorithm));
    }
  });
}

test('the digest does not depend on how the bytes are split into pieces', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...BOTH),
      fc.oneof(fc.nat({ max: 9000 }), fc.nat({ max: 600_000 })),
      fc.array(fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 20_000 }), fc.constant(4096)), {
        maxLength: 60,
      }),
      (algorithm, sizeBytes, cuts) => {
        const bytes = new Uint8Array(sizeBytes).map((_, index) => index ^ (index >>> 8));
        const hasher = new VerityHasher(algorithm);
        let at = 0;
        for (const cut of cuts) {
          const piece = bytes.slice(at, at + cut);
          hasher.update(piece);
          piece.fill(0xee);
          at = Math.min(at + cut, sizeBytes);
        }
        hasher.update(bytes.subarray(at));
        assert.equal(hasher.sizeBytes, sizeBytes);
        assert.equal(hasher.finish(), computeVerity(bytes, algorithm));
      },
    ),
    { numRuns: 60 },
  );
});

test('finish() resets a hasher for the next file', () => {
  const hasher = new VerityHasher('sha256');
  hasher.update(filler(300_001));
  hasher.finish();
  hasher.update(filler(4097));
  assert.equal(hasher.finish(), computeVerity(filler(4097), 'sha256'));
  assert.equal(hasher.finish(), computeVerity(new Uint8Array(0), 'sha256'));
});

test('the named descriptor fields do not overlap', () => {
  const fields: [offset: number, length: number][] = [
    [DESCRIPTOR.version, 1],
    [DESCRIPTOR.hashAlgorithm, 1],
    [DESCRIPTOR.blockBits, 1],
    [DESCRIPTOR.dataSize, 8],
    [DESCRIPTOR.rootHash, 64],
  ];
  let end = 0;
  for (const [offset, length] of fields) {
    assert.ok(offset >= end);
    end = offset + length;
  }
  assert.ok(end <= DESCRIPTOR.sizeBytes);
});

test('hashing blocks separately gives the digest of the whole file', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...BOTH),
      (length, blocks, algorithm) => {
        const bytes = new Uint8Array(length).map((_, index) => index * 31);
        const partBytes = blocks * 4096;
        const hasher = new VerityHasher(algorithm);
        const digests = new Uint8Array(blocks * ALGORITHMS[algorithm].digestBytes);
        for (let at = 0; at < length; at += partBytes) {
          const part = bytes.subarray(at, at + partBytes);
          const written = hashBlocks(part, new PlainBlockHash(algorithm), digests);
          hasher.updateHashed(digests.subarray(0, written), part.length);
        }
        assert.equal(hasher.finish(), computeVerity(bytes, algorithm));
      },
    ),
    { numRuns: 60 },
  );
});

test('block digests are refused after a short block, and if their number does not fit the size', () => {
  const hasher = new VerityHasher('sha256');
  assert.throws(() => hasher.updateHashed(new Uint8Array(32), 4097), /one digest for each block/);
  hasher.update(new Uint8Array(5));
  assert.throws(() => hasher.updateHashed(new Uint8Array(32), 4096), /after a short block/);
});
