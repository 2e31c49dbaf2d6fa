import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteString } from '#base/bytes';
import { parseDumpfile } from './dumpfile-reader.ts';
import { encodeDumpfile } from './dumpfile-writer.ts';
import { Directory, type Leaf, NO_XATTRS, type Stat, sortedNames, Tree } from './model.ts';
import {
  compactTree,
  countLinks,
  DEPTH_LIMIT,
  findPath,
  insertEntry,
  lookupDirectory,
  lookupFile,
  lookupLeaf,
  lookupPath,
  mapRegularLeaves,
  mergeEntry,
  newestMtime,
  removeEntry,
  splitPath,
  verifyTree,
  walkTree,
} from './operations.ts';
import { canonicaliseRun, filterXattrs, parseXattrMode, transformForOci } from './transform.ts';

const STAT: Stat = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 5n, mtimeNsec: 6, xattrs: NO_XATTRS };
const FIFO: Leaf = { kind: 'fifo', stat: STAT };

function name(text: string): ByteString {
  return text as ByteString;
}

function treeOf(lines: string): Tree {
  return parseDumpfile(Buffer.from(`/ 0 40755 2 0 0 0 1.0 - - -\n${lines}`));
}

function textOf(tree: Tree): string {
  return Buffer.from(encodeDumpfile(tree)).toString('latin1');
}

const TREE = `/a 0 40700 2 0 0 0 1.0 - - -
/a/f 5 100644 2 0 0 0 1.0 - hello -
/a/p 0 10644 1 0 0 0 1.0 - - -
/z 0 @120000 - - - - 0.0 /a/f - -
`;

describe('looking up paths', () => {
  const tree = treeOf(TREE);

  it('finds directories and leaves, with or without slashes at either end', () => {
    assert.equal(findPath(tree, ''), tree.root);
    assert.equal(lookupDirectory(tree, 'a/'), tree.root.entries.get(name('a')));
    assert.equal(lookupLeaf(tree, '/a/f'), lookupLeaf(tree, 'z'));
    assert.equal(lookupFile(tree, '/z').kind, 'inline');
    assert.equal(findPath(tree, '/nothing'), undefined);
    assert.equal(splitPath(tree, '/a/new').name, 'new');
    assert.equal(splitPath(tree, '/a/new').parent, lookupDirectory(tree, 'a'));
  });

  const failures: readonly [string, string, () => unknown][] = [
    ['a missing path', 'TREE_PATH_NOT_FOUND', () => lookupPath(tree, '/nothing')],
    ['a path through a leaf', 'TREE_NOT_A_DIRECTORY', () => findPath(tree, '/z/x')],
    ['a leaf as a directory', 'TREE_NOT_A_DIRECTORY', () => lookupDirectory(tree, '/z')],
    ['a directory as a leaf', 'TREE_IS_A_DIRECTORY', () => lookupLeaf(tree, '/a')],
    ['a fifo as a file', 'TREE_NOT_REGULAR', () => lookupFile(tree, '/a/p')],
    ['one dot', 'TREE_PATH_INVALID', () => findPath(tree, '/a/./f')],
    ['two dots', 'TREE_PATH_INVALID', () => findPath(tree, '..')],
    ['no last name', 'TREE_PATH_INVALID', () => splitPath(tree, '/')],
  ];
  for (const [what, code, act] of failures) {
    it(`refuses ${what}`, () => assert.throws(act, { code }));
  }
});

describe('changing entries', () => {
  it('merges a directory into a directory and replaces any other entry', () => {
    const tree = treeOf(TREE);
    const a = lookupDirectory(tree, 'a');
    mergeEntry(tree.root, name('a'), new Directory(STAT));
    assert.equal(lookupDirectory(tree, 'a'), a);
    assert.equal(a.stat, STAT);
    assert.equal(a.entries.size, 2);
    mergeEntry(tree.root, name('a'), tree.addLeaf(FIFO));
    assert.equal(typeof findPath(tree, 'a'), 'number');
  });

  it('reports whether a name is new, and returns the removed entry', () => {
    const tree = new Tree(STAT);
    const fifo = tree.addLeaf(FIFO);
    assert.equal(insertEntry(tree.root, name('x'), fifo), true);
    assert.equal(insertEntry(tree.root, name('x'), fifo), false);
    assert.equal(removeEntry(tree.root, name('x')), fifo);
    assert.equal(removeEntry(tree.root, name('x')), undefined);
  });

  it('keeps hard links when it maps regular files, and skips other file types', () => {
    const tree = treeOf(TREE);
    let calls = 0;
    mapRegularLeaves(tree, (leaf) => {
      calls += 1;
      return { kind: 'sparse', stat: leaf.stat, sizeBytes: 9 };
    });
    assert.equal(calls, 1);
    assert.equal(lookupFile(tree, '/a/f'), lookupFile(tree, '/z'));
    assert.equal(lookupFile(tree, '/z').kind, 'sparse');
  });
});

describe('walking and counting', () => {
  it('walks depth first in byte order', () => {
    const tree = treeOf(
      '/b 0 40755 2 0 0 0 1.0 - - -\n/b/c 0 10644 1 0 0 0 1.0 - - -\n/B 0 10644 1 0 0 0 1.0 - - -\n/\\xff 0 10644 1 0 0 0 1.0 - - -\n',
    );
    assert.deepEqual(
      [...walkTree(tree)].map((entry) => entry.path),
      ['/', '/B', '/b', '/b/c', '/\xff'],
    );
    assert.deepEqual(sortedNames(tree.root), ['B', 'b', '\xff']);
  });

  it('refuses a tree deeper than any path', () => {
    const tree = new Tree(STAT);
    let at = tree.root;
    for (let depth = 0; depth <= DEPTH_LIMIT + 1; depth += 1) {
      const below = new Directory(STAT);
      at.entries.set(name('d'), below);
      at = below;
    }
    assert.throws(() => [...walkTree(tree)], { code: 'TREE_INVALID' });
  });

  it('counts links, removes unused leaves in order, and refuses unknown leaves', () => {
    const tree = treeOf(TREE);
    assert.deepEqual([...countLinks(tree)], [2, 1]);
    removeEntry(lookupDirectory(tree, 'a'), name('f'));
    removeEntry(tree.root, name('z'));
    assert.throws(() => verifyTree(tree), { code: 'TREE_INVALID' });
    assert.equal(compactTree(tree), 1);
    assert.equal(compactTree(tree), 0);
    assert.deepEqual(
      [...tree.leaves].map((leaf) => leaf.kind),
      ['fifo'],
    );
    assert.equal(lookupLeaf(tree, '/a/p'), 0);
    tree.root.entries.set(name('stranger'), 7);
    assert.throws(() => countLinks(tree), { code: 'TREE_INVALID' });
  });

  it('finds the newest mtime with nanoseconds, including that of the directory itself', () => {
    const tree = treeOf('/d 0 40755 2 0 0 0 7.1 - - -\n/d/f 0 10644 1 0 0 0 7.2 - - -\n');
    assert.deepEqual(newestMtime(tree), { mtimeSec: 7n, mtimeNsec: 2 });
    assert.deepEqual(newestMtime(new Tree(STAT)), { mtimeSec: 5n, mtimeNsec: 6 });
  });
});

describe('transformForOci', () => {
  const usr = '/usr 0 40711 2 5 6 0 9.8 - - - user.u=1 security.capability=c security.selinux=s\n';
  const run = '/run 0 40700 2 1 2 0 3.0 - - -\n/run/x 0 10644 1 0 0 0 1.0 - - -\n';

  it('gives the root the metadata of /usr, empties /run and filters xattrs', () => {
    const tree = treeOf(run + usr);
    transformForOci(tree);
    assert.equal(
      textOf(tree),
      '/ 0 40711 4 5 6 0 9.8 - - - security.capability=c\n' +
        '/run 0 40700 2 1 2 0 9.8 - - -\n' +
        '/usr 0 40711 2 5 6 0 9.8 - - - security.capability=c\n',
    );
    assert.equal(tree.leaves.length, 0);
  });

  it('keeps user xattrs in the mode keep-user-xattrs', () => {
    const tree = treeOf(usr);
    transformForOci(tree, { xattrs: 'keep-user-xattrs' });
    assert.deepEqual([...tree.root.stat.xattrs.keys()].sort(), ['security.capability', 'user.u']);
  });

  const odd: readonly [string, string][] = [
    ['without /usr', '/etc 0 40755 2 0 0 0 4.0 - - -\n'],
    ['whose /usr is a link', '/usr 1 120777 1 0 0 0 1.0 x - -\n'],
    ['whose /run is a link', `/run 1 120777 1 0 0 0 1.0 x - -\n${usr}`],
  ];
  for (const [what, lines] of odd) {
    it(`refuses a tree ${what} as upstream does, or skips that step with onMissing "leave"`, () => {
      assert.throws(() => transformForOci(treeOf(lines)), { code: 'TREE_TRANSFORM_IMPOSSIBLE' });
      const tree = treeOf(lines);
      transformForOci(tree, { onMissing: 'leave' });
      assert.equal([...walkTree(tree)].length, lines.split('\n').length);
    });
  }

  it('keeps the mtime of /run if there is no /usr to take it from', () => {
    const tree = treeOf(run);
    canonicaliseRun(tree, 'leave');
    assert.equal(lookupDirectory(tree, 'run').stat.mtimeSec, 3n);
    assert.equal(lookupDirectory(tree, 'run').entries.size, 0);
  });

  it('filters shared xattrs once and keeps them shared', () => {
    const tree = treeOf(
      '/a 0 10644 1 0 0 0 1.0 - - - user.x=1\n/b 0 10644 1 0 0 0 1.0 - - - user.x=1\n',
    );
    const asked: string[] = [];
    filterXattrs(tree, (xattr) => {
      asked.push(xattr);
      return false;
    });
    assert.deepEqual(asked, ['user.x']);
    assert.equal(tree.leaves.at(0)?.stat.xattrs, tree.leaves.at(1)?.stat.xattrs);
    assert.equal(tree.leaves.at(0)?.stat.xattrs.size, 0);
  });

  it('parses two xattr modes and refuses any other with both names', () => {
    assert.equal(parseXattrMode('allowlist-only'), 'allowlist-only');
    assert.equal(parseXattrMode('keep-user-xattrs'), 'keep-user-xattrs');
    assert.throws(() => parseXattrMode('x'), {
      code: 'TREE_XATTR_MODE_UNKNOWN',
      message: /allowlist-only or keep-user-xattrs/,
    });
  });
});
