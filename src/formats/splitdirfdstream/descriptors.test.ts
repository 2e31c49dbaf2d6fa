import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_DESCRIPTORS_MAX, planDescriptors } from './descriptors.ts';

test('descriptors are arranged as composefs-rs arranges them', () => {
  // Source: oci-and-cli section 5.5.
  const { placeCount, extraCount, frames, places } = planDescriptors('child-layer-001', 2);
  assert.deepEqual([placeCount, extraCount, frames.length], [5, 2, 4]);
  assert.equal(
    frames.reduce((sum, count) => sum + count),
    9,
  );
  assert.equal(new Set(places).size, 2);
});

test('no reply passes more descriptors than the limit, and each directory has its own place', () => {
  for (let number = 0; number < 200; number += 1) {
    const directories = 1 + (number % 5) * 120;
    const plan = planDescriptors(`layer ${number}`, directories);
    const total = 2 + plan.placeCount + plan.extraCount;
    assert.equal(
      plan.frames.reduce((sum, count) => sum + count),
      total,
    );
    assert.ok(plan.frames.every((count) => count > 0 && count <= FRAME_DESCRIPTORS_MAX));
    assert.ok(plan.places.every((place) => place >= 0 && place < plan.placeCount));
    assert.equal(new Set(plan.places).size, directories);
    assert.ok(plan.placeCount > directories);
  }
});
