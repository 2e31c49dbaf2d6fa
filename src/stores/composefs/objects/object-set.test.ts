import { equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectId } from '#base/digest';
import { ObjectNameDecoder, ObjectSet } from './object-set.ts';

const SIZES = [32, 64] as const;

function idOf(digest: Uint8Array): ObjectId {
  return Buffer.from(digest).toString('hex') as ObjectId;
}

for (const digestBytes of SIZES) {
  test(`a set of ids of ${digestBytes} bytes contains the added ids, numbered in order of first addition`, () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.constantFrom(0, 1, 255), { minLength: digestBytes, maxLength: digestBytes }),
        ),
        fc.array(fc.nat()),
        (digests, picks) => {
          const ids = digests.map((digest) => idOf(Uint8Array.from(digest)));
          const added = picks
            .map((pick) => ids[pick % ids.length])
            .filter((id) => id !== undefined);
          const set = new ObjectSet(digestBytes);
          for (const id of added) set.add(id);
          const expected = [...new Set(added)];
          equal(set.size, expected.length);
          for (const [index, id] of expected.entries()) equal(set.idAt(index), id);
          for (const id of ids) equal(set.indexOf(id), expected.indexOf(id));
        },
      ),
    ));
}

test('a set grows beyond its initial capacity and keeps its numbers', () => {
  const set = new ObjectSet(32);
  const digests = new Uint8Array(5000 * 32);
  const view = new DataView(digests.buffer);
  for (let index = 0; index < 5000; index += 1) view.setUint32(index * 32 + 28, index);
  set.addDigests(digests);
  set.addDigests(digests);
  equal(set.size, 5000);
  equal(set.idAt(4321), idOf(digests.subarray(4321 * 32, 4322 * 32)));
  equal(set.indexOf(set.idAt(4321)), 4321);
});

test('an id of another algorithm is in no set', () => {
  const set = new ObjectSet(64);
  set.add('ab'.repeat(32) as ObjectId);
  equal(set.size, 0);
  equal(set.has('ab'.repeat(32) as ObjectId), false);
});

test('only names as the repository writes them are decoded', () => {
  const decoder = new ObjectNameDecoder(32);
  const id = '0123456789abcdef'.repeat(4);
  const decode = (name: string) =>
    decoder.decode(0x01, Buffer.from(`?${name}?`, 'latin1'), 1, name.length + 1);
  equal(decode(id.slice(2)), true);
  equal(idOf(new Uint8Array(decoder.words.buffer)), id);
  for (let at = 2; at < id.length; at += 1) {
    for (const wrong of ['g', 'G', '/', ':', '@', '`', '\xff']) {
      notEqual(decode(`${id.slice(2, at)}${wrong}${id.slice(at + 1)}`), true, `${wrong} at ${at}`);
    }
  }
  equal(decode(id.slice(2).toUpperCase()), false);
  equal(decode(id.slice(3)), false);
  equal(decode(`${id.slice(2)}0`), false);
});
