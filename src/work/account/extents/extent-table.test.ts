import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXTENT_FLAG } from '#host';
import { ExtentTable } from './extent-table.ts';
import { OWNERS_MAX, OwnerSets } from './owner-sets.ts';

const BLOCK = 4096;

/** Bytes by owners, as text: `0,2` for the set of the owners 0 and 2. */
function bySets(sets: OwnerSets, bytes: Float64Array): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [set, count] of bytes.entries()) {
    if (count > 0)
      found[
        sets
          .members(set)
          .sort((a, b) => a - b)
          .join()
      ] = count / BLOCK;
  }
  return found;
}

test('each block is counted once, for exactly the owners of its extents', () => {
  const extent = fc.record({
    start: fc.nat(60),
    blocks: fc.integer({ min: 1, max: 20 }),
    owners: fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 3 }),
    isShared: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(extent, { maxLength: 40 }), fc.nat(2 ** 36), (extents, base) => {
      const sets = new OwnerSets();
      const table = new ExtentTable(BLOCK);
      const model = new Map<number, { owners: Set<number>; uses: number; isShared: boolean }>();
      for (const { start, blocks, owners, isShared } of extents) {
        const set = owners.reduce((at, owner) => sets.add(at, owner), 0);
        const flags = isShared ? EXTENT_FLAG.shared : 0;
        equal(table.add((base + start) * BLOCK, blocks * BLOCK, flags, set), true);
        for (let block = start; block < start + blocks; block += 1) {
          const cell = model.get(block) ?? { owners: new Set(), uses: 0, isShared: false };
          for (const owner of owners) cell.owners.add(owner);
          model.set(block, { ...cell, uses: cell.uses + 1, isShared });
        }
      }
      const bytes: Record<string, number> = {};
      const elsewhere: Record<string, number> = {};
      for (const { owners, uses, isShared } of model.values()) {
        const key = [...owners].sort((a, b) => a - b).join();
        bytes[key] = (bytes[key] ?? 0) + 1;
        if (uses === 1 && isShared) elsewhere[key] = (elsewhere[key] ?? 0) + 1;
      }
      const totals = table.sweep(sets);
      deepEqual(bySets(sets, totals.bytes), bytes);
      deepEqual(bySets(sets, totals.elsewhereBytes), elsewhere);
    }),
  );
});

test('an encoded extent ends where the next extent begins, and is reported as encoded', () => {
  const sets = new OwnerSets();
  const one = sets.add(0, 0);
  const other = sets.add(0, 1);
  const table = new ExtentTable(BLOCK);
  table.add(0, 32 * BLOCK, EXTENT_FLAG.encoded, one);
  table.add(0, 32 * BLOCK, EXTENT_FLAG.encoded, other);
  table.add(8 * BLOCK, 2 * BLOCK, 0, one);
  const { bytes, encodedBytes } = table.sweep(sets);
  deepEqual(bySets(sets, bytes), { '0,1': 8, '0': 2 });
  deepEqual(bySets(sets, encodedBytes), { '0,1': 8 });
});

test('content without extents is counted once per inode, for the owners of all its names', () => {
  const sets = new OwnerSets();
  const table = new ExtentTable(BLOCK);
  equal(table.add(0, 100, EXTENT_FLAG.inline | EXTENT_FLAG.notAligned, 0), false);
  equal(table.add(0, 100, EXTENT_FLAG.delayed | EXTENT_FLAG.unknown, 0), false);
  table.addPlaceless(7, BLOCK, sets.add(0, 0), sets);
  table.addPlaceless(7, BLOCK, sets.add(0, 1), sets);
  table.addPlaceless(8, BLOCK, sets.add(0, 1), sets);
  deepEqual(bySets(sets, table.sweep(sets).bytes), { '0,1': 1, '1': 1 });
});

test('many files that share one extent take no more memory than two', () => {
  const sets = new OwnerSets();
  const table = new ExtentTable(BLOCK);
  const set = sets.add(0, 0);
  for (let index = 0; index < 300_000; index += 1) {
    table.add((index % 1000) * BLOCK, 2000 * BLOCK, EXTENT_FLAG.shared, set);
  }
  const { bytes, elsewhereBytes } = table.sweep(sets);
  deepEqual(bySets(sets, bytes), { '0': 2999 });
  deepEqual(bySets(sets, elsewhereBytes), {});
});

test('equal sets of owners have the same number, in whatever order they were built', () => {
  const owners = fc.uniqueArray(fc.nat(20), { maxLength: 6 });
  fc.assert(
    fc.property(owners, owners, (one, other) => {
      const sets = new OwnerSets();
      const make = (of: readonly number[]) => of.reduce((at, owner) => sets.add(at, owner), 0);
      const union = sets.union(make(one), make(other));
      equal(union, make([...new Set([...other, ...one])]));
      deepEqual(new Set(sets.members(union)), new Set([...one, ...other]));
    }),
  );
});

test('exceeding a limit is refused with the name of the limit', () => {
  const code = { code: 'ACCOUNT_TOO_LARGE' };
  throws(() => new OwnerSets().add(0, OWNERS_MAX), code);
  throws(() => new ExtentTable(512).add(2 ** 50, 512, 0, 0), code);
});
