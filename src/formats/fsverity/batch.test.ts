import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VerityBatch } from './batch.ts';
import { PlainBlockHash } from './block-hash.ts';
import { computeVerity } from './hasher.ts';
import { ALGORITHMS, type VerityAlgorithm } from './layout.ts';

const BOTH = ['sha256', 'sha512'] as const;

function filled(sizeBytes: number): Uint8Array {
  return new Uint8Array(sizeBytes).map((_, index) => (index * 131) ^ (index >>> 9));
}

/** Digests of files of these sizes, computed as a batch and one by one. */
function digestsOf(batch: VerityBatch, algorithm: VerityAlgorithm, sizes: readonly number[]) {
  const data = filled(Math.max(0, ...sizes) + sizes.length);
  const files = sizes.map((size, index) => data.subarray(index, index + size));
  const { digestBytes } = ALGORITHMS[algorithm];
  const into = Buffer.alloc(sizes.length * digestBytes);
  batch.compute(files, into);
  const found = sizes.map((_, index) =>
    into.toString('hex', index * digestBytes, (index + 1) * digestBytes),
  );
  return { found, expected: files.map((bytes) => computeVerity(bytes, algorithm)) };
}

for (const algorithm of BOTH) {
  test(`a batch gives the ${algorithm} digest of each file, whatever the sizes`, () => {
    const batch = new VerityBatch(new PlainBlockHash(algorithm));
    const size = fc.oneof(
      fc.nat({ max: 5000 }),
      fc.nat({ max: 40_000 }),
      fc.constantFrom(0, 1, 4095, 4096, 4097, 64 * 4096, 64 * 4096 + 1, 128 * 4096 + 1),
    );
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
        const { found, expected } = digestsOf(batch, algorithm, sizes);
        assert.deepEqual(found, expected);
      }),
      { numRuns: 60 },
    );
  });

  test(`a batch with files of one block and of several levels gives correct ${algorithm} digests`, () => {
    const batch = new VerityBatch(new PlainBlockHash(algorithm));
    const edge = ALGORITHMS[algorithm].arity ** 2 * 4096;
    const sizes = [10, edge + 1, 0, edge, 4096, edge - 1];
    const { found, expected } = digestsOf(batch, algorithm, sizes);
    assert.deepEqual(found, expected);
    // Bytes that the large trees left in the batch's memory must not affect the result.
    const again = digestsOf(batch, algorithm, [5000, 0, 1, 300_000, 8193]);
    assert.deepEqual(again.found, again.expected);
  });
}
