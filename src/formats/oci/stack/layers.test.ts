import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { parseObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { StoredContent, TarEntry, TarEntryType } from '#formats/tar';
import { Directory, type Leaf, type Tree, walkTree } from '#formats/tree';
import { LayerStack, type StackOptions } from './layers.ts';

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
    difference: undefined,
    offset: 512,
  };
  return [entry, kind === 'f' ? { kind: 'inline', bytes: Buffer.from(rest) } : NO_CONTENT];
}

function stack(layers: string[][], options?: StackOptions): LayerStack {
  const made = new LayerStack(options);
  for (const [at, lines] of layers.entries()) {
    made.beginLayer(`layer-${at}`);
    for (const line of lines) made.apply(...entryOf(line));
  }
  return made;
}

function describe(tree: Tree): string[] {
  return [...walkTree(tree)].map(({ path, inode }) => {
    if (inode instanceof Directory) return `d ${path} ${inode.stat.mode.toString(8)}`;
    const leaf = tree.leaves.at(inode) as Leaf;
    if (leaf.kind === 'inline')
      return `f ${path} ${Buffer.from(leaf.content).toString()} #${inode}`;
    return `${leaf.kind} ${path}`;
  });
}

const shown = (...layers: string[][]) => describe(stack(layers).finish());
const asCfsctl = (...layers: string[][]) => describe(stack(layers, { reading: 'cfsctl' }).finish());
const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

test('a later layer replaces files, and keeps the children of a directory that it only describes', () => {
  const tree = stack([
    ['d /a', 'f /a/x 1'],
    ['d /a', 'f /a/x 2', 'f /a/y 3'],
  ]).finish();
  assert.deepEqual(describe(tree), ['d / 0', 'd /a 711', 'f /a/x 2 #1', 'f /a/y 3 #2']);
});

test('files and directories replace each other', () => {
  assert.deepEqual(shown(['d /a', 'f /a/x 1', 'f /b 2'], ['f /a 3', 'd /b']), [
    'd / 0',
    'f /a 3 #2',
    'd /b 711',
  ]);
});

test('an entry below a directory that its layer replaced by a file is refused', () => {
  assert.throws(
    () =>
      stack([
        ['d /a', 'f /a/x 1'],
        ['f /a/y 2', 'f /a 3', 'f /a/z 4'],
      ]),
    isCode('LAYER_PATH_INVALID'),
  );
});

test('a whiteout removes an entry of a lower layer, and a missing target is accepted', () => {
  assert.deepEqual(shown(['d /a', 'f /a/x 1', 'f /a/y 1'], ['f /a/.wh.x', 'f /a/.wh.none']), [
    'd / 0',
    'd /a 711',
    'f /a/y 1 #1',
  ]);
});

test('a whiteout does not remove an entry of its own layer; under composefs-rs it does', () => {
  assert.deepEqual(shown(['f /x 1', 'f /.wh.x']), ['d / 0', 'f /x 1 #0']);
  assert.deepEqual(shown(['f /x 1'], ['f /x 2', 'f /.wh.x']), ['d / 0', 'f /x 2 #1']);
  assert.deepEqual(shown(['f /a 1'], ['h /b /a', 'f /.wh.b', 'f /.wh.a']), ['d / 0', 'f /b 1 #0']);
  assert.deepEqual(asCfsctl(['f /x 1', 'f /.wh.x']), ['d / 0']);
});

test('a whiteout of a directory keeps the entries of its own layer, without the metadata of lower layers', () => {
  const layers = [
    ['d /a', 'd /a/b', 'f /a/b/x 1'],
    ['f /a/b/y 2', 'f /a/.wh.b', 'f /a/b/z 3'],
  ];
  assert.deepEqual(shown(...layers), [
    'd / 0',
    'd /a 711',
    'd /a/b 755',
    'f /a/b/y 2 #1',
    'f /a/b/z 3 #2',
  ]);
  assert.deepEqual(asCfsctl(...layers), ['d / 0', 'd /a 711', 'd /a/b 755', 'f /a/b/z 3 #2']);
});

test('a whiteout of a directory that its own layer describes removes only the files of lower layers', () => {
  assert.deepEqual(shown(['d /a', 'f /a/x 1'], ['d /a', 'f /.wh.a']), ['d / 0', 'd /a 711']);
});

test('an opaque mark hides the entries of lower layers in its directory, at any position in its layer', () => {
  const layers = [
    ['d /a', 'f /a/x 1', 'd /a/d', 'f /a/d/x 1'],
    ['d /a', 'f /a/y 2', 'f /a/d/y 2', 'f /a/.wh..wh..opq', 'f /a/z 3'],
  ];
  assert.deepEqual(shown(...layers), [
    'd / 0',
    'd /a 711',
    'd /a/d 755',
    'f /a/d/y 2 #3',
    'f /a/y 2 #2',
    'f /a/z 3 #4',
  ]);
  assert.deepEqual(asCfsctl(...layers), ['d / 0', 'd /a 711', 'f /a/z 3 #4']);
});

const smallPath = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join('/')}`);
const smallEntry = fc.oneof(
  smallPath.map((path) => `d ${path}`),
  fc.tuple(smallPath, fc.nat({ max: 9 })).map(([path, text]) => `f ${path} ${text}`),
  smallPath.map((path) => `f ${path.replace(/[^/]*$/, '.wh.$&')}`),
  smallPath.map((path) => `f ${path}/.wh..wh..opq`),
);
const smallLayer = fc.array(smallEntry, { maxLength: 8 });

test('a layer gives the same tree as a layer of its whiteouts followed by a layer of its other entries', () => {
  let compared = 0;
  const isWhiteout = (line: string) => line.includes('/.wh.');
  const attempt = (...layers: string[][]) => {
    try {
      // The leaf numbers depend on the order.
      return shown(...layers).map((line) => line.replace(/ #.*$/, ''));
    } catch (error) {
      assert.ok(hasCode(error, 'LAYER_PATH_INVALID'));
      return undefined;
    }
  };
  fc.assert(
    fc.property(fc.array(smallLayer, { maxLength: 3 }), smallLayer, (lower, layer) => {
      const found = attempt(...lower, layer);
      const marks = layer.filter(isWhiteout);
      const rest = layer.filter((line) => !isWhiteout(line));
      const expected = attempt(...lower, marks, rest);
      if (found === undefined || expected === undefined) return;
      assert.deepEqual(found, expected);
      compared += 1;
    }),
    { numRuns: 1000 },
  );
  assert.ok(compared > 200, `${compared} compared`);
});

test('differences from how composefs-rs reads a layer are counted, and the first ten are named', () => {
  const lines = Array.from({ length: 12 }, (_, at) => [`f /x${at} 1`, `f /.wh.x${at}`]).flat();
  const { differences } = stack([lines]);
  assert.equal(differences.count, 12);
  assert.equal(differences.named.length, 10);
  const first = { difference: 'own-whiteout', layer: 'layer-0', path: '/.wh.x0' };
  assert.deepEqual(differences.named[0], first);
  assert.equal(stack([lines], { reading: 'cfsctl' }).differences.count, 0);
  assert.equal(stack([['f /a 1'], ['f /.wh.a', 'f /a 2']]).differences.count, 0);
  const [entry, content] = entryOf('l /l t');
  const made = new LayerStack();
  made.apply({ ...entry, difference: 'size-without-data' }, content);
  assert.equal(made.differences.named[0]?.difference, 'size-without-data');
});

test('AUFS records below .wh..wh.plnk are left out, and hard links to them get their content', () => {
  const layer = ['d /.wh..wh.plnk', 'f /.wh..wh.plnk/1.2 x', 'f /a 1', 'f /.wh..wh.aufs'];
  assert.deepEqual(shown(layer), ['d / 0', 'f /a 1 #1']);
  const linked = ['h /b /.wh..wh.plnk/1.2', 'h /c /.wh..wh.plnk/1.2'];
  assert.deepEqual(shown([...layer, ...linked]), ['d / 0', 'f /a 1 #1', 'f /b x #0', 'f /c x #0']);
  assert.throws(() => shown(layer, linked), isCode('LAYER_LINK_INVALID'));
});

test('an entry below a symlink is refused, and the error names the link and its target', () => {
  assert.throws(
    () => stack([['d /usr', 'd /usr/lib', 'l /lib usr/lib'], ['f /lib/x.so 1']]),
    (error) =>
      hasCode(error, 'LAYER_PATH_INVALID') &&
      error.message.includes('expected "/lib" to be a directory, found a symlink to "usr/lib"'),
  );
});

test('a tree of the maximum depth of an image is accepted, and a deeper one is refused', () => {
  const path = (depth: number) => `f ${'/d'.repeat(depth)} 1`;
  const { root } = stack([[path(2047)]]).finish();
  assert.equal(root.entries.size, 1);
  assert.throws(() => stack([[path(2048)]]), isCode('LAYER_PATH_INVALID'));
});

test('one entry above the limit is refused; long names, xattrs and created parents count as entries', () => {
  const limit = { entriesMax: 3 };
  assert.equal(stack([['d /a', 'f /a/x 1'], ['f /b 1']], limit).finish().leaves.length, 2);
  const many = isCode('IMAGE_TOO_MANY_ENTRIES');
  assert.throws(
    () =>
      stack(
        [
          ['d /a', 'f /a/x 1'],
          ['f /b 1', 'f /c 1'],
        ],
        limit,
      ),
    many,
  );
  assert.throws(() => stack([['f /a/b/c/x 1']], limit), many);
  assert.throws(() => stack([[`l /a ${'t'.repeat(1600)}`]], limit), many);
  assert.throws(() => stack([[`f /${'n'.repeat(1600)} 1`]], limit), many);
  const [entry, content] = entryOf('f /a 1');
  const xattrs = new Map([['user.a' as ByteString, new Uint8Array(1600)]]);
  assert.throws(() => new LayerStack(limit).apply({ ...entry, xattrs }, content), many);
});

test('missing parents are created with mode 0755, owner 0 and time 0, but not for a whiteout', () => {
  const tree = stack([['f /a/b/x 1', 'f /no/.wh.y']]).finish();
  assert.deepEqual(describe(tree), ['d / 0', 'd /a 755', 'd /a/b 755', 'f /a/b/x 1 #0']);
  const made = tree.root.entries.get('a' as ByteString);
  assert.ok(made instanceof Directory);
  assert.deepEqual([made.stat.uid, made.stat.gid, made.stat.mtimeSec], [0, 0, 0n]);
});

test('a hard link shares the leaf, across layers and after its original is removed', () => {
  assert.deepEqual(shown(['f /a 1'], ['h /b /a', 'f /.wh.a'], ['h /c /b']), [
    'd / 0',
    'f /b 1 #0',
    'f /c 1 #0',
  ]);
});

test('a hard link to a symlink links the symlink itself, not its target', () => {
  const tree = stack([['l /a /nowhere', 'h /b /a']]).finish();
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
    assert.throws(() => stack([[...lines]]), isCode('LAYER_LINK_INVALID'));
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
    assert.throws(() => stack([[...lines]]), isCode('LAYER_PATH_INVALID'));
  });
}

for (const line of [
  'f /a/../x 1',
  'f /../x 1',
  'f /a/.. 1',
  'f /../.wh.x',
  'h /b /../../etc/passwd',
]) {
  test(`the entry "${line}" is refused because it would leave the image`, () => {
    assert.throws(() => stack([['d /a', line]]), isCode('TAR_PATH_ESCAPES'));
  });
}

test('an entry of unknown type is refused', () => {
  assert.throws(() => stack([['? /a']]), isCode('TAR_TYPE_UNKNOWN'));
});

test('errors name the layer, the path and the offset of the entry', () => {
  assert.throws(
    () => stack([['f /a 1'], ['f /a/x 1']]),
    (error) =>
      hasCode(error, 'LAYER_PATH_INVALID') &&
      error.details['what'] === 'layer layer-1' &&
      error.details['path'] === '/a/x' &&
      error.details['offset'] === 512,
  );
});

test('an entry for the root sets the metadata of the root', () => {
  const { root } = stack([['d /']]).finish();
  assert.equal(root.stat.mode, 0o711);
});

test('device numbers are encoded as the kernel does, and files keep their object', () => {
  const made = stack([['c /a']]);
  const id = parseObjectId('ab'.repeat(32));
  const [entry] = entryOf('f /b');
  made.apply(entry, { kind: 'external', id, sizeBytes: 100 });
  const [device, file] = made.finish().leaves;
  assert.ok(device?.kind === 'chr');
  assert.equal(device.rdev, 0x4561_2378);
  assert.ok(file?.kind === 'external');
  assert.deepEqual([file.id, file.sizeBytes], [id, 100]);
});

test('finishImage gives the root the metadata of /usr and empties /run', () => {
  const tree = stack([['d /usr', 'd /run', 'f /run/x 1']]).finishImage();
  assert.deepEqual(describe(tree), ['d / 711', 'd /run 711', 'd /usr 711']);
  assert.equal(tree.leaves.length, 0);
});

test('finishImage accepts images without /usr, and a /run that is a symlink', () => {
  const tree = stack([['f /a 1', 'l /run /a']]).finishImage();
  assert.deepEqual(describe(tree), ['d / 755', 'f /a 1 #0', 'symlink /run']);
  assert.equal(stack([[]]).finishImage().root.stat.mode, 0o755);
  assert.equal(stack([['d /']]).finishImage().root.stat.mode, 0o711);
});
