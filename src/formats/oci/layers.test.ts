import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { parseObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { StoredContent, TarEntry, TarEntryType } from '#formats/tar';
import { Directory, type Leaf, type Tree, walkTree } from '#formats/tree';
import { LayerStack } from './layers.ts';

const NO_CONTENT: StoredContent = { kind: 'inline', bytes: new Uint8Array(0) };

/** `d usr`, `f a text`, `l a target` (symlink), `h a target` (hard link), `p a`, `c a`, `? a`. */
function entryOf(line: string): [TarEntry, StoredContent] {
  const [kind = '', path = '', rest = ''] = line.split(' ');
  const types: { readonly [kind: string]: TarEntryType } = {
    d: 'directory',
    f: 'file',
    l: 'symlink',
    h: 'hardlink',
    p: 'fifo',
    c: 'chr',
    '?': 'unknown',
  };
  const entry: TarEntry = {
    type: types[kind] ?? 'unknown',
    typeFlag: 0x58,
    path: byteStringFromText(path),
    writtenPath: byteStringFromText(path),
    linkTarget: byteStringFromText(kind === 'f' ? '' : rest),
    sizeBytes: 0,
    mode: kind === 'd' ? 0o711 : 0o640,
    uid: 7,
    gid: 8,
    mtimeSec: 9n,
    mtimeNsec: 10,
    rdevMajor: 0x123,
    rdevMinor: 0x45678,
    xattrs: new Map(),
    sparse: undefined,
    offset: 512,
  };
  return [entry, kind === 'f' ? { kind: 'inline', bytes: Buffer.from(rest) } : NO_CONTENT];
}

function stack(...layers: string[][]): LayerStack {
  const made = new LayerStack();
  for (const [at, lines] of layers.entries()) {
    made.beginLayer(`layer-${at}`);
    for (const line of lines) made.apply(...entryOf(line));
  }
  return made;
}

function describe(tree: Tree): string[] {
  return [...walkTree(tree)].map(({ path, inode }) => {
    if (inode instanceof Directory) return `d ${path} ${inode.stat.mode.toString(8)}`;
    const leaf = tree.leaves[inode] as Leaf;
    if (leaf.kind === 'inline')
      return `f ${path} ${Buffer.from(leaf.content).toString()} #${inode}`;
    return `${leaf.kind} ${path}`;
  });
}

const shown = (...layers: string[][]) => describe(stack(...layers).finish());
const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

test('a later layer replaces files and keeps the children of a directory it only describes', () => {
  const tree = stack(['d /a', 'f /a/x 1'], ['d /a', 'f /a/x 2', 'f /a/y 3']).finish();
  assert.deepEqual(describe(tree), ['d / 0', 'd /a 711', 'f /a/x 2 #1', 'f /a/y 3 #2']);
});

test('files and directories replace each other', () => {
  assert.deepEqual(shown(['d /a', 'f /a/x 1', 'f /b 2'], ['f /a 3', 'd /b']), [
    'd / 0',
    'f /a 3 #2',
    'd /b 711',
  ]);
});

test('an entry after its directory was replaced by a file does not land in the old one', () => {
  assert.throws(
    () => stack(['d /a', 'f /a/x 1'], ['f /a/y 2', 'f /a 3', 'f /a/z 4']),
    isCode('LAYER_PATH_INVALID'),
  );
});

test('a whiteout removes, also what its own layer added, and a missing target is fine', () => {
  assert.deepEqual(shown(['d /a', 'f /a/x 1', 'f /a/y 1'], ['f /a/.wh.x', 'f /a/.wh.none']), [
    'd / 0',
    'd /a 711',
    'f /a/y 1 #1',
  ]);
  assert.deepEqual(shown(['f /x 1', 'f /.wh.x']), ['d / 0']);
});

test('a whiteout of a directory removes all of it, and entries after it start anew', () => {
  assert.deepEqual(
    shown(['d /a', 'd /a/b', 'f /a/b/x 1'], ['f /a/b/y 2', 'f /a/.wh.b', 'f /a/b/z 3']),
    ['d / 0', 'd /a 711', 'd /a/b 755', 'f /a/b/z 3 #2'],
  );
});

test('an opaque mark clears what is there at that moment, like composefs-rs', () => {
  assert.deepEqual(
    shown(['d /a', 'f /a/x 1'], ['d /a', 'f /a/y 2', 'f /a/.wh..wh..opq', 'f /a/z 3']),
    ['d / 0', 'd /a 711', 'f /a/z 3 #2'],
  );
});

test('records of AUFS below .wh..wh.plnk are left out', () => {
  assert.deepEqual(shown(['d /.wh..wh.plnk', 'f /.wh..wh.plnk/1.2 x', 'f /a 1']), [
    'd / 0',
    'f /a 1 #0',
  ]);
});

test('missing parents are made with mode 0755, owner 0 and time 0, but not for a whiteout', () => {
  const tree = stack(['f /a/b/x 1', 'f /no/.wh.y']).finish();
  assert.deepEqual(describe(tree), ['d / 0', 'd /a 755', 'd /a/b 755', 'f /a/b/x 1 #0']);
  const made = tree.root.entries.get('a' as ByteString);
  assert.ok(made instanceof Directory);
  assert.deepEqual([made.stat.uid, made.stat.gid, made.stat.mtimeSec], [0, 0, 0n]);
});

test('a hard link shares the leaf, across layers and after its original went', () => {
  assert.deepEqual(shown(['f /a 1'], ['h /b /a', 'f /.wh.a'], ['h /c /b']), [
    'd / 0',
    'f /b 1 #0',
    'f /c 1 #0',
  ]);
});

test('a hard link to a symlink is the symlink itself', () => {
  const tree = stack(['l /a /nowhere', 'h /b /a']).finish();
  assert.equal(tree.leaves.length, 1);
});

for (const [what, lines] of [
  ['that is missing', ['h /b /a']],
  ['that comes later', ['h /b /a', 'f /a 1']],
  ['that is a directory', ['d /a', 'h /b /a']],
  ['behind a symlink', ['d /d', 'f /d/x 1', 'l /s d', 'h /b /s/x']],
  ['that is the root', ['h /b /']],
] as const) {
  test(`a hard link to a target ${what} is refused`, () => {
    assert.throws(() => stack([...lines]), isCode('LAYER_LINK_INVALID'));
  });
}

for (const [what, lines] of [
  ['through a symlink', ['d /d', 'l /s d', 'f /s/x 1']],
  ['through a symlink of a lower layer', ['l /s /etc', 'd /s/x']],
  ['through a file', ['f /a 1', 'f /a/x 1']],
  ['through a fifo', ['p /a', 'f /a/x 1']],
  ['a whiteout through a symlink', ['l /s /etc', 'f /s/.wh.x']],
  ['of the root that is no directory', ['f / 1']],
] as const) {
  test(`an entry ${what} is refused`, () => {
    assert.throws(() => stack([...lines]), isCode('LAYER_PATH_INVALID'));
  });
}

for (const line of [
  'f /a/../x 1',
  'f /../x 1',
  'f /a/.. 1',
  'f /../.wh.x',
  'h /b /../../etc/passwd',
]) {
  test(`"${line}" would leave the image and is refused`, () => {
    assert.throws(() => stack(['d /a', line]), isCode('TAR_PATH_ESCAPES'));
  });
}

test('an entry of unknown type is refused', () => {
  assert.throws(() => stack(['? /a']), isCode('TAR_TYPE_UNKNOWN'));
});

test('errors name the layer, the path and the offset', () => {
  assert.throws(
    () => stack(['f /a 1'], ['f /a/x 1']),
    (error) =>
      hasCode(error, 'LAYER_PATH_INVALID') &&
      error.details['what'] === 'layer layer-1' &&
      error.details['path'] === '/a/x' &&
      error.details['offset'] === 512,
  );
});

test('a root entry describes the root', () => {
  const { root } = stack(['d /']).finish();
  assert.equal(root.stat.mode, 0o711);
});

test('device numbers take the form of the kernel, files keep their object', () => {
  const made = stack(['c /a']);
  const id = parseObjectId('ab'.repeat(32));
  const [entry] = entryOf('f /b');
  made.apply(entry, { kind: 'external', id, sizeBytes: 100 });
  const { leaves } = made.finish();
  assert.ok(leaves[0]?.kind === 'chr');
  assert.equal(leaves[0].rdev, 0x4561_2378);
  assert.ok(leaves[1]?.kind === 'external');
  assert.deepEqual([leaves[1].id, leaves[1].sizeBytes], [id, 100]);
});

test('finishImage gives the root the metadata of /usr and empties /run', () => {
  const tree = stack(['d /usr', 'd /run', 'f /run/x 1']).finishImage();
  assert.deepEqual(describe(tree), ['d / 711', 'd /run 711', 'd /usr 711']);
  assert.equal(tree.leaves.length, 0);
});

test('finishImage accepts images without /usr and a /run that is a link', () => {
  const tree = stack(['f /a 1', 'l /run /a']).finishImage();
  assert.deepEqual(describe(tree), ['d / 755', 'f /a 1 #0', 'symlink /run']);
  assert.equal(stack([]).finishImage().root.stat.mode, 0o755);
  assert.equal(stack(['d /']).finishImage().root.stat.mode, 0o711);
});
