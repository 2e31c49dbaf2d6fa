import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { Arrivals } from './arrivals.ts';

const MIB = 1024 * 1024;

function checksumOf(index: number): OstreeChecksum {
  return index.toString(16).padStart(64, '0') as OstreeChecksum;
}

test('arrived files are copied and taken in order of arrival', () => {
  const arrivals = new Arrivals();
  const shared = new Uint8Array(3);
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 5; index++) {
      assert.ok(arrivals.put(checksumOf(index), shared.fill(10 * round + index)));
    }
    for (let index = 0; index < 5; index++) {
      const taken = arrivals.take();
      assert.equal(taken?.checksum, checksumOf(index));
      assert.deepEqual([...(taken?.filez ?? [])], Array(3).fill(10 * round + index));
    }
    assert.ok(arrivals.isEmpty);
    assert.equal(arrivals.take(), undefined);
  }
});

test('a file that exceeds the free space is refused until waiting files are taken', () => {
  const arrivals = new Arrivals();
  assert.ok(arrivals.put(checksumOf(0), new Uint8Array(MIB - 1)));
  assert.equal(arrivals.put(checksumOf(1), new Uint8Array(2)), false);
  assert.ok(arrivals.put(checksumOf(2), new Uint8Array(1)));
  assert.equal(arrivals.take()?.filez.length, MIB - 1);
  assert.equal(arrivals.put(checksumOf(3), new Uint8Array(1)), false);
  assert.equal(arrivals.take()?.filez.length, 1);
  assert.ok(arrivals.put(checksumOf(4), new Uint8Array(MIB)));
  assert.equal(arrivals.put(checksumOf(5), new Uint8Array(0)), true);
  arrivals.take();
  arrivals.take();
  assert.equal(arrivals.put(checksumOf(6), new Uint8Array(MIB + 1)), false);
});
