import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { ObjectPrefixes } from './object-prefixes.ts';

for (const digestBytes of [32, 64]) {
  test(`prefixes of ids of ${digestBytes} bytes are looked up by their first eight bytes only`, () =>
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom(0, 1, 255), { minLength: 8, maxLength: 8 })),
        fc.array(fc.array(fc.constantFrom(0, 1, 255), { minLength: 8, maxLength: 8 })),
        (added, asked) => {
          const prefixes = new ObjectPrefixes(digestBytes);
          const idOf = (prefix: readonly number[], rest: number) =>
            Buffer.alloc(digestBytes, rest).fill(Uint8Array.from(prefix), 0, 8).toString('hex');
          const half = added.length >> 1;
          for (const prefix of added.slice(0, half)) prefixes.add(idOf(prefix, 1) as ObjectId);
          const digests = added.slice(half).map((prefix) => idOf(prefix, 2));
          prefixes.addDigests(Uint8Array.from(Buffer.from(digests.join(''), 'hex')));
          const known = new Set(added.map(String));
          equal(prefixes.size, known.size);
          for (const prefix of [...added, ...asked]) {
            equal(prefixes.has(idOf(prefix, 3) as ObjectId), known.has(String(prefix)));
          }
        },
      ),
    ));
}

test('all of thousands of prefixes are found, and an id of another algorithm is not', () => {
  const idOf = (number: number) => {
    const digest = Buffer.alloc(32);
    digest.writeUInt32BE(number, 2);
    return digest.toString('hex') as ObjectId;
  };
  const prefixes = new ObjectPrefixes(32);
  for (let number = 0; number < 9000; number += 1) prefixes.add(idOf(number * 65536));
  prefixes.add('f'.repeat(128) as ObjectId);
  equal(prefixes.size, 9000);
  for (let number = 0; number < 9000; number += 1) {
    equal(prefixes.has(idOf(number * 65536)), true);
    equal(prefixes.has(idOf(number * 65536 + 1)), false);
  }
  equal(prefixes.has('f'.repeat(128) as ObjectId), false);
});
