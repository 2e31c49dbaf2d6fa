import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { type Leaf, NO_XATTRS, type Stat, UNSET_STAT } from '../model.ts';
import { LeafList } from './leaf-list.ts';

const XATTRS = new Map([['user.a' as ByteString, Uint8Array.of(1)]]);

const STAT: fc.Arbitrary<Stat> = fc.record(
  {
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1, 1000, 0xffff_ffff),
    gid: fc.constantFrom(0, 5, 0xffff_ffff),
    // Seconds that no number holds exactly come from dumpfiles.
    mtimeSec: fc.oneof(
      fc.constantFrom(0n, -1n, 2n ** 62n, 2n ** 53n + 1n),
      fc.bigInt(-9n, 2n ** 40n),
    ),
    mtimeNsec: fc.constantFrom(0, 999_999_999),
    xattrs: fc.constantFrom(NO_XATTRS, XATTRS),
  },
  { noNullPrototype: true },
);

const HEX = '0123456789abcdef';
/** Ids of two lengths and of few values, and texts that are no ids, as dumpfiles may have them. */
const ID = fc.oneof(
  fc.constantFrom(...HEX).map((digit) => digit.repeat(128)),
  fc.constantFrom(...HEX).map((digit) => digit.repeat(64)),
  fc.constantFrom('', 'AB'.repeat(32), 'g'.repeat(128), '\u0130'.repeat(64)),
);

const LEAF: fc.Arbitrary<Leaf> = STAT.chain((stat) =>
  fc.oneof(
    fc.uint8Array({ maxLength: 70 }).map((content): Leaf => ({ kind: 'inline', stat, content })),
    fc
      .constantFrom(1023, 1024, 1025, 70_000)
      .map((size): Leaf => ({ kind: 'inline', stat, content: new Uint8Array(size).fill(size) })),
    fc
      .record({ id: ID, sizeBytes: fc.constantFrom(0, 65, 2 ** 40), isChecked: fc.boolean() })
      .map(({ id, sizeBytes, isChecked }): Leaf => {
        const kind = isChecked ? 'external' : 'externalNoVerity';
        return { kind, stat, id: id as ObjectId, sizeBytes };
      }),
    fc.constant<Leaf>({ kind: 'sparse', stat, sizeBytes: 2 ** 33 }),
    fc.constant<Leaf>({ kind: 'symlink', stat, target: 'a/b' as ByteString }),
    fc.constant<Leaf>({ kind: 'chr', stat, rdev: 0 }),
    fc.constant<Leaf>({ kind: 'fifo', stat }),
  ),
);

test('a list gives back every leaf after any replacements and removals', () =>
  fc.assert(
    fc.property(
      fc.array(LEAF, { maxLength: 60 }),
      fc.array(fc.record({ at: fc.nat(), leaf: LEAF, isStat: fc.boolean() }), { maxLength: 20 }),
      fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
      (leaves, changes, kept) => {
        const list = new LeafList();
        const model = leaves.map((leaf) => ({ ...leaf }));
        deepEqual(
          leaves.map((leaf) => list.push(leaf)),
          leaves.map((_, index) => index),
        );
        for (const { at, leaf, isStat } of leaves.length === 0 ? [] : changes) {
          const index = at % leaves.length;
          if (isStat) list.setStat(index, leaf.stat);
          else list.set(index, leaf);
          model[index] = isStat ? ({ ...model[index], stat: leaf.stat } as Leaf) : { ...leaf };
        }
        deepEqual([...list], model);
        const before = list.clone();
        const counts = Uint32Array.from(model, (_, index) => (kept[index] === true ? 1 : 0));
        const renumbered = list.compact(counts);
        const left = model.filter((_, index) => counts[index] === 1);
        deepEqual([...list], left);
        deepEqual([...before], model);
        for (const [index, leaf] of model.entries()) {
          equal(before.kindAt(index), leaf.kind);
          deepEqual(before.statAt(index), leaf.stat);
          if (counts[index] === 1) deepEqual(list.at(renumbered[index] ?? -1), leaf);
        }
      },
    ),
    { numRuns: 300 },
  ));

test('objects with equal ids share one position in the pool', () => {
  const list = new LeafList();
  const file = (digit: string): Leaf => {
    const id = digit.repeat(128) as ObjectId;
    return { kind: 'external', stat: UNSET_STAT, id, sizeBytes: 100 };
  };
  const [a, b, again] = ['a', 'b', 'a'].map((digit) => list.objectAt(list.push(file(digit))));
  equal(a, again);
  notEqual(a, b);
  equal(list.pool?.count, 2);
});

test('indexes outside the list give undefined', () => {
  const list = new LeafList();
  list.push({ kind: 'fifo', stat: UNSET_STAT });
  deepEqual([list.at(-1), list.at(1), list.at(Number.NaN)], [undefined, undefined, undefined]);
});
