import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { computeContentDigest, hexOf, parseObjectId } from '#base/digest';
import { atOnce } from '#base/flow';
import { computeVerity } from '#formats/fsverity';
import {
  type Dialect,
  Directory,
  DumpfileParser,
  encodeDumpfile,
  type Leaf,
  NO_XATTRS,
  parseDumpfile,
  type Stat,
  Tree,
} from '#formats/tree';
import type { ErofsVersion } from '../layout.ts';
import { checkImage } from '../read/inspect.ts';
import { readTree } from '../read/read-tree.ts';
import { chunkBitsOf } from './placement.ts';
import { encodeImage, encodePiecesInSteps } from './writer.ts';

const GOLDEN = new URL('../../../../test/golden/', import.meta.url);
const ZERO: Stat = { mode: 0, uid: 0, gid: 0, mtimeSec: 0n, mtimeNsec: 0, xattrs: NO_XATTRS };
const VERSIONS = [0, 1, 2] as const;

function put(tree: Tree, name: string, leaf: Leaf): void {
  tree.root.entries.set(byteStringFromText(name), tree.addLeaf(leaf));
}

function emptyTree(): Tree {
  return new Tree({ ...ZERO, mode: 0o755 });
}

function simpleTree(digestBytes: number): Tree {
  const tree = emptyTree();
  const id = parseObjectId('5a'.repeat(digestBytes));
  put(tree, 'fifo', { kind: 'fifo', stat: ZERO });
  put(tree, 'regular-inline', { kind: 'inline', stat: ZERO, content: Buffer.from('hihi') });
  put(tree, 'regular-external', { kind: 'external', stat: ZERO, id, sizeBytes: 1234 });
  put(tree, 'chrdev', { kind: 'chr', stat: ZERO, rdev: 123 });
  put(tree, 'blkdev', { kind: 'blk', stat: ZERO, rdev: 123 });
  put(tree, 'socket', { kind: 'socket', stat: ZERO });
  put(tree, 'symlink', { kind: 'symlink', stat: ZERO, target: byteStringFromText('/target') });
  return tree;
}

function imageId(dump: string | Tree, version: ErofsVersion): string {
  const tree = typeof dump === 'string' ? parseDumpfile(Buffer.from(dump)) : dump;
  return computeVerity(encodeImage(tree, { version, algorithm: 'sha256' }), 'sha256');
}

const FIVE_A = '5a'.repeat(32);
const T1 = [
  '/ 0 40755 2 0 0 0 1000.0 - - -',
  '/usr 0 40755 2 0 0 0 1000.0 - - -',
  '/usr/lib 0 40755 2 0 0 0 1000.0 - - -',
  '/usr/lib/libfoo.so 5 100644 1 0 0 0 1000.0 - hello -',
  '',
].join('\n');
const T2 = [
  '/ 0 40755 3 0 0 0 1000.5 - - - security.selinux=root_t',
  '/b 0 40700 2 70000 5 0 2000.0 - - - security.selinux=root_t user.a=1',
  '/b/link2 5 100644 2 0 0 0 1000.5 - hello - security.selinux=file_t',
  '/b/white 0 20644 1 0 0 0 1000.5 - - -',
  `/c 5000 100755 1 0 0 0 1000.5 5a/${FIVE_A.slice(2)} - ${FIVE_A} security.selinux=file_t trusted.overlay.custom=z lustre.x=y`,
  '/d 0 60660 1 0 0 2049 1000.5 - - - system.posix_acl_access=q',
  '/l 7 120777 1 0 0 0 0.7 /target - -',
  '/z 0 @120000 - - - - 0.0 /b/link2 - -',
  '',
].join('\n');
const T3 = [
  '/ 0 40755 2 0 0 0 0.0 - - -',
  ...Array.from(
    { length: 120 },
    (_, at) => `/filler${String(at).padStart(3, '0')} 0 10644 1 0 0 0 0.0 - - -`,
  ),
  `/link 1024 120777 1 0 0 0 0.0 ${'a'.repeat(1024)} - - security.selinux=${'s'.repeat(56)}`,
  '/zdir 0 40755 2 0 0 0 5.0 - - -',
  ...Array.from(
    { length: 50 },
    (_, at) => `/zdir/${String(at).padStart(90, '0')} 0 100644 1 0 0 0 0.0 - - -`,
  ),
  '',
].join('\n');
const T = '1633950376.0';
const SPECIAL_V1 = [
  `/ 4096 40555 2 0 0 0 ${T} - - - trusted.foo1=bar-1 user.foo2=bar-2`,
  `/blockdev 0 60777 1 0 0 107690 ${T} - - - trusted.bar=bar-2`,
  `/chardev 0 20777 1 0 0 10769 ${T} - - - trusted.foo=bar-2`,
  `/escaped-xattr 0 100777 1 0 0 0 ${T} - - - trusted.overlay.redirect=/foo\\n user.overlay.redirect=/foo\\n user.foo=bar-2`,
  `/fifo 0 10777 1 0 0 0 ${T} - - - trusted.bar=bar-2`,
  `/inline 15 100777 1 0 0 0 ${T} - FOOBAR\\nINAFILE\\n - user.foo=bar-2`,
  `/whiteout 0 20777 1 0 0 0 ${T} - - - trusted.foo=bar-2`,
  '',
].join('\n');

/** Core spec 9.1 and 9.8: image ids (SHA-256 fs-verity) in V0, V1 and V2. */
const VECTORS: readonly [string, string | Tree, readonly string[]][] = [
  [
    'an empty tree',
    emptyTree(),
    [
      '8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682',
      '14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63',
      '086b702a519b57d6ef5aea6f8b3f2be24355cd1fb835cd80fb4e3d388b24d5a5',
    ],
  ],
  [
    'one inode of each kind',
    simpleTree(32),
    [
      '9f3f5620ee0c54708516467d0d58741e7963047c7106b245d94c298259d0fa01',
      'ad6db6427568a1e4fdc772cbab7b6063f5eb4b33cb62982a740ba9213e5962b5',
      'a8fcd41f8b313bede69f462f2af0a38d64b99a6333f5df884ea9ab4037fac722',
    ],
  ],
  [
    'nested directories',
    T1,
    [
      'c751cd346b30b817824d609bdf77aee72de52e528c7e04e1e2973a95bfc8bc42',
      '4188e935e036d74531aecc639cc85b82d18ed55defe0a7932de4866f4ace317f',
      '95d9a80e9e54f908964da099aefd0ecad9a93f45dba521fe2c39f24a2d923e49',
    ],
  ],
  [
    'hard links, whiteouts and every xattr prefix',
    T2,
    [
      'd80523ae6db7322dbc383a52053d8a7178fba83d305ee8c34e20eaec00935284',
      '596be44026c8355695e04f1d3ad525db6aff6bf73e2d4caaf229dfd1f36505c3',
      '1ee01ddad015e14b9173584e9b457dbf1039e72d678f404f4d732ec3a29d56bc',
    ],
  ],
  [
    'a symlink at a block boundary and a directory of several blocks',
    T3,
    [
      '36351cfdbbe38154665ce28cebfa36cc90316edd041613b0a046d8ba61cedb0f',
      'fca62e5ce986938ce58d683b4170dc039aee5c6a5a997d85f0c43dcf0a35e893',
      '300543ad13850cac1f75a6d1defc2572d8d785413cf670771fd911a39ff298a9',
    ],
  ],
  [
    'special inodes with xattrs',
    SPECIAL_V1,
    [
      'ca8f91c7a310308bb5737cf1ab1d06395f83a2d9266423bfe5fe2b5f2c4e4218',
      'b1c78c25db8638be5b9b483472d32ee9624d8d32ded626a91cd536116e8df97c',
      '1fdf4ddd0a17123449feb902b32594f30fa121b81735c4540db0d556c9af8c8c',
    ],
  ],
];

/** Core spec 9.8: SHA-512 image ids of the empty and the simple tree. */
const VECTORS_512: readonly [string, Tree, readonly string[]][] = [
  [
    'an empty tree',
    emptyTree(),
    [
      'ae399f4c2c5c1fed2238affa1ca9240f064dac53117d6eb67ee3c81f44d7456064a7443925b1d6ab309b694d2ae6808e2afebb96202fc5025f13bb00f3f138e2',
      'ee192e5a91c70428c8f2ca7abf8274b695494c70a9ffb277598ffbacf46e2cebd7de172c6d44a84c20f3f13cc97e7691ccce4974937fe866c2f6c83ddccd3f72',
      '334472adb2a093bfb4d9bd138d921d76025387ac67813945a297a6391a20518d93efe5cd374cd7584a25c4df83dbfc1e3d4b5b3838ecc50e441d944ca0c11cf7',
    ],
  ],
  [
    'one inode of each kind',
    simpleTree(64),
    [
      '7c8b7b6ad188500481bc0d0bb4f42eaecce04379f7c159f048a29b476ca5963bebcffc59962967b26e89c7b4c316569c38fc9098e4b361150a25d865d199da01',
      '9cd1950bab43a9c65fb151272061e7c41234234043860e5da698485f2503a0879c7f127de85f599580abc9fa5868c4b7d1fb727c64af05285b896ccde9546bdc',
      'd0d18413b6b0df8deafa93353cc48357d0c87fb0ad5d098d9cf639e57dd0684b049c7ef618531931b20c2bee68e908b4e757d8059218d372640849b9ff045866',
    ],
  ],
];

interface RandomCase {
  readonly dump: string;
  readonly v0: { readonly sha256: string };
  readonly v1: { readonly sha256: string };
}

function plainSha256(bytes: Uint8Array): string {
  return hexOf(computeContentDigest(bytes));
}

describe('encodeImage', () => {
  for (const [name, dump, ids] of VECTORS) {
    it(`writes ${name} with the pinned SHA-256 image ids`, () => {
      for (const version of VERSIONS) assert.equal(imageId(dump, version), ids[version]);
    });
  }

  for (const [name, tree, ids] of VECTORS_512) {
    it(`writes ${name} with the pinned SHA-512 image ids`, () => {
      for (const version of VERSIONS) {
        const image = encodeImage(tree, { version, algorithm: 'sha512' });
        assert.equal(computeVerity(image, 'sha512'), ids[version]);
      }
    });
  }

  it('writes every random golden dump as cfsctl and C mkcomposefs do, in both dialects', () => {
    const directory = new URL('composefs/random/', GOLDEN);
    const cases = JSON.parse(
      readFileSync(new URL('expected.json', directory), 'utf8'),
    ) as RandomCase[];
    let seen = 0;
    for (const { dump, v0, v1 } of cases) {
      const bytes = readIfThere(new URL(`${dump}.gz`, directory));
      if (bytes === undefined) continue;
      seen += 1;
      for (const dialect of ['composefs-rs', 'c'] as const) {
        const { tree, overrides } = parse(gunzipSync(bytes), dialect);
        const likeC = dialect === 'c';
        const encode = (version: 0 | 1): string =>
          plainSha256(encodeImage(tree, { version, algorithm: 'sha256', likeC, overrides }));
        assert.equal(encode(0), v0.sha256, `${dump} V0 ${dialect}`);
        assert.equal(encode(1), v1.sha256, `${dump} V1 ${dialect}`);
      }
    }
    assert.ok(seen >= 31, `expected at least 31 dumps, found ${seen}`);
  });

  it('does not change its input: writing V1 before V2 gives the same V2 image', () => {
    const tree = parseDumpfile(Buffer.from(T2));
    const before = encodeImage(tree, { version: 2, algorithm: 'sha256' });
    encodeImage(tree, { version: 1, algorithm: 'sha256' });
    assert.deepEqual(encodeImage(tree, { version: 2, algorithm: 'sha256' }), before);
  });

  it('chooses the chunk size by the file size', () => {
    const sizes = [1, 2, 4096, 4097, 2 ** 20, 2 ** 20 + 1, 2 ** 43, 2 ** 43 + 1, 2 ** 53];
    const formats = sizes.map((size) => chunkBitsOf(size) - 12);
    assert.deepEqual(formats, [0, 0, 0, 1, 8, 9, 31, 31, 31]);
  });

  const refused: readonly [string, (tree: Tree) => void][] = [
    ['an orphan leaf', (tree) => void tree.addLeaf({ kind: 'fifo', stat: ZERO })],
    ['a leaf index out of range', (tree) => void tree.root.entries.set('x' as ByteString, 99)],
    [
      'a whiteout with two names',
      (tree) => {
        const leaf = tree.addLeaf({ kind: 'chr', stat: ZERO, rdev: 0 });
        tree.root.entries.set('x' as ByteString, leaf).set('y' as ByteString, leaf);
      },
    ],
    [
      'a device number of 33 bits',
      (tree) => put(tree, 'd', { kind: 'chr', stat: ZERO, rdev: 2 ** 32 }),
    ],
    ['a name of 256 bytes', (tree) => put(tree, 'n'.repeat(256), { kind: 'fifo', stat: ZERO })],
    ['an empty name', (tree) => put(tree, '', { kind: 'fifo', stat: ZERO })],
    [
      'an object id of the other algorithm',
      (tree) =>
        put(tree, 'f', {
          kind: 'external',
          stat: ZERO,
          id: parseObjectId('5a'.repeat(64)),
          sizeBytes: 1,
        }),
    ],
    [
      'a file above 2^53 bytes',
      (tree) => put(tree, 'f', { kind: 'sparse', stat: ZERO, sizeBytes: 2 ** 54 }),
    ],
    [
      'a directory with two names',
      (tree) => {
        const directory = new Directory(ZERO);
        tree.root.entries.set('x' as ByteString, directory).set('y' as ByteString, directory);
      },
    ],
    [
      'an xattr suffix of 256 bytes',
      (tree) => {
        const xattrs = new Map([[`user.${'k'.repeat(256)}` as ByteString, new Uint8Array(1)]]);
        put(tree, 'f', { kind: 'fifo', stat: { ...ZERO, xattrs } });
      },
    ],
  ];
  for (const [name, damage] of refused) {
    it(`refuses ${name}`, () => {
      const tree = emptyTree();
      damage(tree);
      for (const version of VERSIONS) {
        assert.throws(() => encodeImage(tree, { version, algorithm: 'sha256' }), {
          code: 'TREE_INVALID',
        });
      }
    });
  }
});

function readIfThere(url: URL): Uint8Array | undefined {
  try {
    return readFileSync(url);
  } catch {
    return undefined;
  }
}

function parse(bytes: Uint8Array, dialect: Dialect): ReturnType<DumpfileParser['end']> {
  const parser = new DumpfileParser({ dialect });
  for (let at = 0; at < bytes.length; at += 1000) parser.push(bytes.subarray(at, at + 1000));
  return parser.end();
}

it('a tree of the maximum depth is written and read back, and the writer refuses a deeper one', () => {
  const deep = (levels: number): Tree => {
    const tree = new Tree();
    let at = tree.root;
    for (let level = 1; level < levels; level += 1) {
      const below = new Directory();
      at.entries.set('d' as ByteString, below);
      at = below;
    }
    at.entries.set('f' as ByteString, tree.addLeaf({ kind: 'fifo', stat: ZERO }));
    return tree;
  };
  for (const version of [1, 2] as const) {
    const bytes = encodeImage(deep(2048), { version, algorithm: 'sha256' });
    assert.equal(readTree(bytes).leaves.length, 1);
    assert.deepEqual(checkImage(bytes), []);
    assert.throws(() => encodeImage(deep(2049), { version, algorithm: 'sha256' }), {
      code: 'TREE_INVALID',
    });
  }
});

it('an image larger than one window is written in pieces and read back as the same tree', () => {
  const tree = new Tree();
  const folders = ['a', 'b'].map((name) => {
    const folder = new Directory();
    tree.root.entries.set(name as ByteString, folder);
    return folder;
  });
  for (let file = 0; file < 9000; file += 1) {
    const id = parseObjectId(file.toString(16).padStart(128, '0'));
    const leaf: Leaf = { kind: 'external', stat: ZERO, id, sizeBytes: 65 + file };
    const content = new Uint8Array(file % 5000).fill(file);
    const index = tree.addLeaf(file % 3 === 0 ? { kind: 'inline', stat: ZERO, content } : leaf);
    folders[file % 2]?.entries.set(`f${file}` as ByteString, index);
  }
  for (const version of [0, 1] as const) {
    const pieces: Uint8Array[] = [];
    const options = { version, algorithm: 'sha512' } as const;
    atOnce(encodePiecesInSteps(tree, options, (piece) => pieces.push(Buffer.from(piece))));
    assert.ok(pieces.length > 3);
    const bytes = encodeImage(tree, options);
    assert.ok(Buffer.concat(pieces).equals(bytes));
    assert.deepEqual(checkImage(bytes), []);
    assert.ok(Buffer.from(encodeDumpfile(readTree(bytes))).equals(encodeDumpfile(tree)));
  }
});
