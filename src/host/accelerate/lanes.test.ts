import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ALGORITHMS,
  computeVerity,
  PlainBlockHash,
  VerityBatch,
  VerityHasher,
} from '#formats/fsverity';
import { needs } from '../../../test/support/capability.ts';
import { openBlockHash, tryOpenLaneHash, unitsOf } from './lanes.ts';

const BOTH = ['sha256', 'sha512'] as const;

for (const algorithm of BOTH) {
  const { digestBytes } = ALGORITHMS[algorithm];

  test(`lanes compute the ${algorithm} of each message, in any order and from several buffers`, (t) => {
    if (!needs(t, 'hash-lanes')) return;
    const lanes = tryOpenLaneHash(algorithm);
    assert(lanes !== undefined);
    const message = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ minLength: 4090, maxLength: 4100 }),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
        const digests = Buffer.alloc((messages.length + 1) * digestBytes, 0xee);
        for (const [index, bytes] of messages.entries()) {
          lanes.attach(bytes, digests);
          lanes.add(0, bytes.length, (messages.length - 1 - index) * digestBytes);
        }
        lanes.finish();
        const expected = messages.map((bytes) => hash(algorithm, bytes, 'hex')).reverse();
        const end = messages.length * digestBytes;
        assert.equal(digests.toString('hex', 0, end), expected.join(''));
        assert(digests.subarray(end).every((byte) => byte === 0xee));
      }),
      { numRuns: 200 },
    );
  });

  test(`more ${algorithm} messages than the library has lanes for are all hashed`, (t) => {
    if (!needs(t, 'hash-lanes')) return;
    const lanes = openBlockHash(algorithm);
    assert(!(lanes instanceof PlainBlockHash));
    const source = new Uint8Array(2000).map((_, index) => index);
    const digests = Buffer.alloc(2000 * digestBytes);
    lanes.attach(source, digests);
    for (let index = 0; index < 2000; index += 1) {
      lanes.add(index, 2000 - index, index * digestBytes);
    }
    lanes.finish();
    for (let index = 0; index < 2000; index += 1) {
      const found = digests.toString('hex', index * digestBytes, (index + 1) * digestBytes);
      assert.equal(found, hash(algorithm, source.subarray(index), 'hex'));
    }
  });

  test(`lanes refuse a ${algorithm} message or digest outside its buffer, and stay usable`, (t) => {
    if (!needs(t, 'hash-lanes')) return;
    const lanes = openBlockHash(algorithm);
    const memory = new Uint8Array(100 + digestBytes);
    const source = memory.subarray(10, 90);
    const digests = memory.subarray(100);
    lanes.attach(source, digests);
    for (const [start, length, at] of [
      [-1, 10, 0],
      [0, 0, 0],
      [0, 81, 0],
      [71, 10, 0],
      [0, 10, -1],
      [0, 10, 1],
    ] as const) {
      assert.throws(() => lanes.add(start, length, at), RangeError);
    }
    lanes.add(5, 7, 0);
    lanes.finish();
    const expected = hash(algorithm, source.subarray(5, 12), 'hex');
    assert.equal(Buffer.from(digests).toString('hex'), expected);
  });

  test(`${algorithm} digests of files are the same with lanes and without`, (t) => {
    if (!needs(t, 'hash-lanes')) return;
    const lanes = openBlockHash(algorithm);
    const data = new Uint8Array(900_000).map((_, index) => (index * 7) ^ (index >>> 10));
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 70_000 }), { maxLength: 12 }), (sizes) => {
        const files = sizes.map((size, at) => data.subarray(at * 70_000, at * 70_000 + size));
        const into = Buffer.alloc(sizes.length * digestBytes);
        new VerityBatch(lanes).compute(files, into);
        const expected = files.map((bytes) => {
          const hasher = new VerityHasher(algorithm, lanes);
          hasher.update(bytes.subarray(0, bytes.length / 3));
          hasher.update(bytes.subarray(bytes.length / 3));
          const id = hasher.finish();
          assert.equal(id, computeVerity(bytes, algorithm));
          return id;
        });
        assert.equal(into.toString('hex'), expected.join(''));
      }),
      { numRuns: 30 },
    );
  });
}

test('releases of the library earlier or later than the known ones are not used', () => {
  assert.equal(unitsOf(0x010300)?.[5], 'avx512');
  assert.equal(unitsOf(0x020001)?.[3], 'avx512');
  for (const version of [0x010200, 0x020100, 0x030000]) assert.equal(unitsOf(version), undefined);
});
