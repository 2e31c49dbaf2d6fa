import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { ReachedObjects } from './reached-objects.ts';

for (const digestBytes of [32, 64]) {
  test(`for ids of ${digestBytes} bytes, an id is reached if its first 16 bytes were added`, () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.constantFrom(0, 1, 255), { minLength: digestBytes, maxLength: digestBytes }),
        ),
        fc.array(fc.nat()),
        fc.nat(5000),
        (digests, picks, reserved) => {
          const ids = digests.map((digest) => Buffer.from(digest).toString('hex') as ObjectId);
          const added = picks
            .map((pick) => ids[pick % ids.length])
            .filter((id) => id !== undefined);
          const reached = new ReachedObjects(digestBytes);
          reached.reserve(reserved);
          for (const id of added) reached.add(id);
          const keys = new Set(added.map((id) => id.slice(0, 32)));
          for (const id of ids) equal(reached.has(id), keys.has(id.slice(0, 32)));
        },
      ),
    ));
}

test('the tables grow, also if all digests begin with the same byte', () => {
  const reached = new ReachedObjects(32);
  const digests = new Uint8Array(20_000 * 32);
  const view = new DataView(digests.buffer);
  for (let index = 0; index < 20_000; index += 1) view.setUint32(index * 32 + 12, index);
  reached.addDigests(digests.slice(0, 10_000 * 32));
  const words = new Uint32Array(digests.buffer);
  for (let index = 0; index < 20_000; index += 1) {
    equal(reached.hasWords(words, index * 8), index < 10_000, `${index}`);
  }
});

test('an id of another algorithm is never reached', () => {
  const reached = new ReachedObjects(64);
  reached.add('ab'.repeat(32) as ObjectId);
  equal(reached.has('ab'.repeat(32) as ObjectId), false);
});
