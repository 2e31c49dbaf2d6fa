import fc from 'fast-check';
import type { ByteString } from '#base/bytes';
import { Directory, type Leaf, NO_XATTRS, type Stat, Tree } from '#formats/tree';

const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[\0/]/g, '_'))
  .filter((text) => text !== '.' && text !== '..') as fc.Arbitrary<ByteString>;
const stat: fc.Arbitrary<Stat> = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffffffff }),
  gid: fc.integer({ min: 0, max: 0xffffffff }),
  mtimeSec: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
  mtimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
  xattrs: fc
    .array(fc.tuple(name, fc.uint8Array({ maxLength: 20 })), { maxLength: 3 })
    .map((pairs) => (pairs.length === 0 ? NO_XATTRS : new Map(pairs))),
});
const id = fc.stringMatching(/^[0-9a-f]{64}$/) as fc.Arbitrary<string>;
const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  fc.record({
    kind: fc.constant('inline' as const),
    stat,
    content: fc.uint8Array({ maxLength: 512 }),
  }),
  fc.record({ kind: fc.constant('external' as const), stat, id, sizeBytes: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('sparse' as const), stat, sizeBytes: fc.integer({ min: 1 }) }),
  fc.record({ kind: fc.constant('symlink' as const), stat, target: name }),
  fc.record({
    kind: fc.constantFrom('chr' as const, 'blk' as const),
    stat,
    rdev: fc.integer({ min: 1, max: 0xffffffff }),
  }),
  fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const), stat }),
) as fc.Arbitrary<Leaf>;

/** A random tree: each step adds a directory, a leaf or a hard link to a leaf below a random directory. */
export const arbitraryTree: fc.Arbitrary<Tree> = fc
  .tuple(
    stat,
    fc.array(
      fc.tuple(
        fc.nat(),
        name,
        fc.oneof(
          stat.map((value) => new Directory(value)),
          leaf,
          fc.nat(),
        ),
      ),
      {
        maxLength: 20,
      },
    ),
  )
  .map(([rootStat, steps]) => {
    const tree = new Tree(rootStat);
    const directories = [tree.root];
    for (const [at, entryName, what] of steps) {
      const parent = directories[at % directories.length] as Directory;
      if (parent.entries.has(entryName)) continue;
      if (what instanceof Directory) {
        const fresh = new Directory(what.stat);
        directories.push(fresh);
        parent.entries.set(entryName, fresh);
      } else if (typeof what !== 'number') parent.entries.set(entryName, tree.addLeaf(what));
      else if (tree.leaves.length > 0) parent.entries.set(entryName, what % tree.leaves.length);
    }
    return tree;
  });
