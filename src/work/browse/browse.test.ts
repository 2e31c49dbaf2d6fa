import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteStringFromText, concatBytes } from '#base/bytes';
import { parseObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import { encodeImage } from '#formats/erofs';
import {
  Directory,
  insertEntry,
  type Leaf,
  NO_XATTRS,
  parseDumpfile,
  type Stat,
  Tree,
  walkTree,
} from '#formats/tree';
import { openRepository, type Repository } from '#stores/composefs';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { readGolden, unpackGoldenRepository } from '../../../test/support/golden-repo.ts';
import { makeTempDir, type TempDir } from '../../../test/support/temp-dir.ts';
import { compilePattern, diffViews, findFiles, type ImageView, openImageView } from './index.ts';

const b = byteStringFromText;
const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

async function openGolden(temp: TempDir, name: string): Promise<Repository> {
  return await openRepository(unpackGoldenRepository(name, temp.path));
}

/** The tree that cfsctl dumped of a recorded image. */
function dumpedTree(name: string): Tree {
  const steps = readGolden<{ cmd?: string[]; stdout?: string }[]>(`oci/${name}.json`);
  const dump = steps.find(({ cmd }) => cmd?.[4] === 'dump' && cmd.length === 6)?.stdout ?? '';
  return parseDumpfile(Buffer.from(dump));
}

const plainXattrs = (xattrs: Stat['xattrs']) =>
  [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('hex')]);

for (const name of [
  'basic/sha256-v1',
  'types/sha256-v1',
  'types/sha512-v2',
  'whiteouts/sha256-v1',
]) {
  test(`a walk over ${name} visits the tree that cfsctl dumped`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using repository = await openGolden(temp, name.replace('/', '/repo-'));
    using view = await openImageView(repository, 'img');
    // The dump was recorded once; with the other algorithm and version, only the object ids differ.
    const tree = dumpedTree(name.replace('sha512-v2', 'sha256-v1'));
    const expected = [...walkTree(tree)];
    const found = [...view.walk(b('/'))];
    assert.deepEqual(
      found.map(({ path }) => path),
      expected.map(({ path }) => path),
    );
    for (const [at, entry] of found.entries()) {
      const inode = expected[at]?.inode;
      const leaf = typeof inode === 'number' ? (tree.leaves.at(inode) as Leaf) : undefined;
      const stat = inode instanceof Directory ? inode.stat : (leaf as Leaf).stat;
      const { mode, uid, gid, mtimeSec } = entry;
      // Version 2 keeps no nanoseconds.
      const mtimeNsec = name.endsWith('v2') ? stat.mtimeNsec : entry.mtimeNsec;
      assert.deepEqual(
        { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: plainXattrs(view.xattrs(entry)) },
        { ...stat, xattrs: plainXattrs(stat.xattrs) },
        entry.path,
      );
      if (leaf?.kind === 'external' && name.includes('sha256')) {
        assert.equal(entry.objectId, leaf.id);
      }
      if (leaf?.kind === 'symlink') assert.equal(entry.target, leaf.target);
      if (leaf?.kind === 'inline') {
        assert.deepEqual(concatBytes([...view.read(entry)]), new Uint8Array(leaf.content));
      }
      assert.deepEqual(view.stat(entry.path).inode, entry.inode);
    }
  });
}

const STAT: Stat = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 5n, mtimeNsec: 0, xattrs: NO_XATTRS };

/** `d a/b`, `f a/b/c text`, `l a/link target`, `s hole 5000`. Parents first. */
function treeOf(lines: readonly string[], rootStat: Stat = { ...STAT, mode: 0o755 }): Tree {
  const tree = new Tree(rootStat);
  for (const line of lines) {
    const [kind = '', path = '', rest = ''] = line.split(' ');
    const names = path.split('/');
    const name = b(names.pop() ?? '');
    let at = tree.root;
    for (const part of names) at = at.entries.get(b(part)) as Directory;
    const leaf: Leaf =
      kind === 'l'
        ? { kind: 'symlink', stat: { ...STAT, mode: 0o777 }, target: b(rest) }
        : kind === 's'
          ? { kind: 'sparse', stat: STAT, sizeBytes: Number(rest) }
          : { kind: 'inline', stat: STAT, content: Buffer.from(rest) };
    insertEntry(
      at,
      name,
      kind === 'd' ? new Directory({ ...STAT, mode: 0o755 }) : tree.addLeaf(leaf),
    );
  }
  return tree;
}

/** Stores a tree as an image and opens it. */
async function viewOf(repository: Repository, tree: Tree, version: 1 | 2 = 1): Promise<ImageView> {
  const { algorithm } = repository;
  const id = repository.images.publish(encodeImage(tree, { version, algorithm }));
  return await openImageView(repository, id);
}

async function withTree<T>(lines: readonly string[], work: (view: ImageView) => T): Promise<T> {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  using view = await viewOf(repository, treeOf(lines));
  return work(view);
}

const text = (view: ImageView, path: string) => Buffer.concat([...view.read(b(path))]).toString();

const LINKED = [
  'd etc',
  'd usr',
  'd usr/lib',
  'f usr/lib/os-release name',
  'l etc/os-release ../usr/lib/os-release',
  'l lib usr/lib',
  'l abs /lib/os-release',
  'l up ../../../../etc/os-release',
  'l loop loop',
  'l a b',
  'l b a',
  'l dangling nothing',
];

test('links are resolved inside the image, absolute ones from its root, and .. stops at the root', async () => {
  await withTree(LINKED, (view) => {
    for (const path of [
      'usr/lib/os-release',
      '/etc/os-release',
      '/lib/os-release',
      '/abs',
      '/up',
      '/lib/../lib/os-release',
      '/../../etc/./os-release',
      '//etc//os-release',
    ]) {
      assert.equal(text(view, path), 'name', path);
      assert.equal(view.stat(b(path), { follow: true }).path, '/usr/lib/os-release');
    }
  });
});

test('a final symbolic link is resolved only on request', async () => {
  await withTree(LINKED, (view) => {
    assert.equal(view.stat(b('/abs')).target, '/lib/os-release');
    assert.equal(view.stat(b('/abs')).kind, 'symlink');
    assert.equal(view.stat(b('/abs'), { follow: true }).kind, 'file');
  });
});

for (const [path, code] of [
  ['/loop', 'PATH_LINK_LOOP'],
  ['/a', 'PATH_LINK_LOOP'],
  ['/dangling', 'TREE_PATH_NOT_FOUND'],
  ['/etc/nothing', 'TREE_PATH_NOT_FOUND'],
  ['/usr/lib/os-release/x', 'TREE_NOT_A_DIRECTORY'],
  ['/abs/x', 'TREE_NOT_A_DIRECTORY'],
  ['/usr', 'TREE_IS_A_DIRECTORY'],
] as const) {
  test(`reading ${path} fails with ${code}`, async () => {
    await withTree(LINKED, (view) => {
      assert.throws(() => [...view.read(b(path))], isCode(code));
    });
  });
}

test('reading a non-regular file fails with TREE_NOT_REGULAR', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const tree = treeOf([]);
  insertEntry(tree.root, b('pipe'), tree.addLeaf({ kind: 'fifo', stat: STAT }));
  using view = await viewOf(repository, tree);
  assert.throws(() => [...view.read(b('/pipe'))], isCode('TREE_NOT_REGULAR'));
});

test('listing a directory gives byte order, listing a file gives the file', async () => {
  await withTree(LINKED, (view) => {
    const names = (path: string) => view.list(b(path)).map(({ name }) => name);
    assert.deepEqual(names('/'), ['a', 'abs', 'b', 'dangling', 'etc', 'lib', 'loop', 'up', 'usr']);
    assert.deepEqual(names('/lib'), ['os-release']);
    assert.deepEqual(names('/etc/os-release'), ['os-release']);
  });
});

test('the whiteout stubs of old image versions are hidden, other files of such names are listed', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  using view = await viewOf(repository, treeOf(['f 5a text', 'd x']));
  assert.equal(view.list(b('/')).length, 2);
  assert.throws(() => view.stat(b('/00')), isCode('TREE_PATH_NOT_FOUND'));
  assert.equal(text(view, '/5a'), 'text');
});

test('holes read as zeros', async () => {
  await withTree(['s hole 3000000'], (view) => {
    assert.ok(view.stat(b('hole')).isSparse);
    const pieces = [...view.read(b('/hole'))].map((piece) => piece.length);
    assert.equal(
      pieces.reduce((sum, length) => sum + length, 0),
      3_000_000,
    );
  });
});

test('an object of wrong size or wrong bytes is not read', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const { id } = repository.objects.ensureBytes(Buffer.alloc(100, 'x'));
  const tree = treeOf([]);
  insertEntry(
    tree.root,
    b('short'),
    tree.addLeaf({ kind: 'external', stat: STAT, id, sizeBytes: 101 }),
  );
  const missing = parseObjectId('ab'.repeat(32));
  insertEntry(
    tree.root,
    b('missing'),
    tree.addLeaf({ kind: 'external', stat: STAT, id: missing, sizeBytes: 101 }),
  );
  using view = await viewOf(repository, tree);
  assert.throws(() => [...view.read(b('/short'))], isCode('OBJECT_SIZE_MISMATCH'));
  assert.throws(() => [...view.read(b('/missing'))], isCode('OBJECT_NOT_FOUND'));
});

test('findFiles combines name, path, kind, size and depth', async () => {
  const lines = [
    'd etc',
    'f etc/a.conf 12345',
    'f etc/b.conf 1',
    'd etc/c.conf',
    'f etc/c.conf/d.conf 1',
    'l etc/l.conf x',
  ];
  await withTree(lines, (view) => {
    const found = (query: Parameters<typeof findFiles>[2], from = '/') =>
      [...findFiles(view, b(from), query)].map(({ path }) => path);
    assert.deepEqual(found({ name: b('*.conf'), kinds: ['file'] }), [
      '/etc/a.conf',
      '/etc/b.conf',
      '/etc/c.conf/d.conf',
    ]);
    assert.deepEqual(found({ name: b('*.conf'), kinds: ['file'], maxDepth: 2 }), [
      '/etc/a.conf',
      '/etc/b.conf',
    ]);
    assert.deepEqual(found({ path: b('/etc/*.conf'), kinds: ['symlink'] }), ['/etc/l.conf']);
    assert.deepEqual(found({ minSizeBytes: 2 }), ['/etc/a.conf']);
    assert.deepEqual(found({ maxSizeBytes: 1, name: b('b*') }), ['/etc/b.conf']);
    assert.deepEqual(found({ maxDepth: 0 }, '/etc'), ['/etc']);
    assert.deepEqual(found({}, '/etc/c.conf'), ['/etc/c.conf', '/etc/c.conf/d.conf']);
  });
});

const MATCHES: [string, string, boolean][] = [
  ['*', '', true],
  ['*', 'abc', true],
  ['', '', true],
  ['', 'a', false],
  ['a*c', 'abc', true],
  ['a*c', 'ac', true],
  ['a*c', 'acb', false],
  ['a**b', 'ab', true],
  ['*a*b*', 'xaybz', true],
  ['*a*b*', 'xbyaz', false],
  ['?', 'ü', true],
  ['?', '日', true],
  ['??', 'ü', false],
  ['?', '', false],
  ['[a-c]x', 'bx', true],
  ['[a-c]x', 'dx', false],
  ['[!a-c]', 'd', true],
  ['[^a-c]', 'b', false],
  ['[]]', ']', true],
  ['[a-]', '-', true],
  ['[', '[', true],
  ['[abc', '[abc', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['.x', 'ax', false],
  ['a.c$', 'a.c$', true],
  ['*\n*', 'a\nb', true],
];

for (const [pattern, name, expected] of MATCHES) {
  test(`pattern ${JSON.stringify(pattern)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(name)}`, () => {
    assert.equal(compilePattern(b(pattern))(b(name)), expected);
  });
}

for (const pattern of ['\\', 'a\\', '[z-a]', 'x'.repeat(4097)]) {
  test(`pattern ${JSON.stringify(pattern).slice(0, 20)} is refused`, () => {
    assert.throws(() => compilePattern(b(pattern)), isCode('PATTERN_INVALID'));
  });
}

test('a pattern of many stars matches in linear time', () => {
  const matcher = compilePattern(b(`${'*a'.repeat(500)}b`));
  assert.equal(matcher(b('a'.repeat(4000))), false);
});

test('a pattern matches the same names as its regular expression', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?') });
  const names = fc.string({ unit: fc.constantFrom('a', 'b') });
  fc.assert(
    fc.property(letters, names, (pattern, name) => {
      const simple = pattern.replace(/\*+/g, '*');
      const regex = new RegExp(`^${simple.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
      assert.equal(compilePattern(b(pattern))(b(name)), regex.test(name));
    }),
  );
});

test('diffViews lists what was added, removed and changed, with the changed attributes', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  const before = treeOf([
    'd a',
    'f a/same 1',
    'f a/text 1',
    'f a.b 1',
    'f gone 1',
    'd type',
    'l link x',
    's hole 5000',
  ]);
  const after = treeOf([
    'd a',
    'f a/same 1',
    'f a/text 2',
    'f a.b 1',
    'f new 1',
    'f type 1',
    'l link y',
    's hole 5000',
  ]);
  const changed = after.root.entries.get('a' as ByteString) as Directory;
  changed.stat = {
    ...changed.stat,
    mode: 0o700,
    uid: 1,
    xattrs: new Map([[b('user.x'), Buffer.from('1')]]),
  };
  using left = await viewOf(repository, before);
  using right = await viewOf(repository, after, 2);
  const found = [...diffViews(left, right)];
  assert.deepEqual(
    found.map(({ path, change, differences }) =>
      `${path} ${change} ${differences.join(',')}`.trim(),
    ),
    [
      '/a changed mode,owner,xattrs',
      '/a/text changed content',
      '/gone removed',
      '/link changed target',
      '/new added',
      '/type changed kind,mode',
    ],
  );
});

test('diffViews of an image with itself is empty', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'types/repo-sha256-v1');
  using view = await openImageView(repository, 'img');
  assert.deepEqual([...diffViews(view, view)], []);
});

test('an unknown image name fails with not found', async () => {
  using temp = makeTempDir();
  using repository = await openGolden(temp, 'basic/repo-sha256-v1');
  await assert.rejects(openImageView(repository, 'nothing'), isCode('IMAGE_NOT_FOUND'));
});
