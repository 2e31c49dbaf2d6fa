import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type ByteString, displayText } from '#base/bytes';
import { FormatError, hasCode } from '#base/errors';
import { readerOf } from '#base/flow';
import { encodeDumpfile, isWhiteout, type Leaf, parseDumpfile, type Tree } from '#formats/tree';
import { arbitraryTree } from '../../../../test/support/arbitrary-tree.ts';
import {
  COMPACT,
  type ErofsVersion,
  EXTENDED,
  HEADER,
  SUPERBLOCK,
  SUPERBLOCK_OFFSET,
} from '../layout.ts';
import { encodeImage } from '../write/writer.ts';
import { checkImage, listObjectRefs, visitObjectRefs } from './inspect.ts';
import { readTree } from './read-tree.ts';
import { type ErofsImage, openImage } from './reader.ts';
import { scanObjectRefs } from './scan-refs.ts';
import { walkImage } from './walk.ts';

const VERSIONS = [0, 1, 2] as const;
const ID = '5a'.repeat(32);
const OTHER = 'a5'.repeat(32);
const DUMP = `/ 0 40755 3 0 0 0 1000.5 - - - security.selinux=root_t
/b 0 40700 2 70000 5 0 2000.0 - - - security.selinux=root_t user.a=1
/b/link2 5 100644 2 0 0 0 1000.5 - hello - security.selinux=file_t
/c 5000 100755 1 0 0 0 1000.5 5a/${ID.slice(2)} - ${ID} security.selinux=file_t trusted.overlay.custom=z
/d 0 60660 1 0 0 2049 1000.5 - - - system.posix_acl_access=q
/e 77 100600 1 0 0 0 1000.5 a5/${OTHER.slice(2)} - -
/l 7 120777 1 0 0 0 0.7 /target - -
/s 4096 100600 1 0 0 0 0.7 - - -
/z 0 @120000 - - - - 0.0 /b/link2 - -
`;

function imageOf(dump: string | Uint8Array, version: ErofsVersion): Uint8Array {
  return encodeImage(parseDumpfile(Buffer.from(dump)), { version, algorithm: 'sha256' });
}

/** The tree as a version stores it: V2 keeps no nanoseconds. */
function canonical(tree: Tree, version: ErofsVersion): string {
  const text = Buffer.from(encodeDumpfile(tree)).toString('latin1');
  if (version !== 2) return text;
  return text.replaceAll(/^(\S+ \S+ \d+ \d+ \d+ \d+ \d+ -?\d+)\.\d+/gm, '$1.0');
}

/** Calls every reader on an image; the invariant of every hostile test is that only FormatError is thrown. */
function readAll(bytes: Uint8Array): 'read' | 'refused' {
  let outcome: 'read' | 'refused' = 'read';
  for (const read of [readTree, checkImage, listObjectRefs, browse]) {
    try {
      read(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      outcome = 'refused';
    }
  }
  return outcome;
}

function browse(bytes: Uint8Array): void {
  const image = openImage(bytes);
  for (const path of ['', 'b', 'b/link2', 'c', 'd', 'l', 's', 'z', 'nothing/here']) {
    const inode = image.findPath(path);
    if (inode === undefined) continue;
    if (inode.type === 'directory') image.listDirectory(inode);
    image.xattrs(inode);
    image.objectOf(inode);
    image.readInline(inode);
    image.isWhiteout(inode);
  }
}

function patched(
  image: Uint8Array,
  offset: number,
  value: number,
  width: 1 | 2 | 4 = 4,
): Uint8Array {
  const copy = image.slice();
  const view = new DataView(copy.buffer);
  if (width === 1) view.setUint8(offset, value);
  else if (width === 2) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
  return copy;
}

/** All data that the reader returns for an image, entry by entry. */
function shown(image: ErofsImage): unknown[] {
  return [...walkImage(image)].map((entry) => ({
    ...entry,
    found: image.findPath(entry.path)?.nid,
    xattrs: image.rawXattrs(entry.inode).map(([name, value]) => [name, displayBytes(value)]),
    inline: displayBytes(image.readInline(entry.inode)),
  }));
}

const displayBytes = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('openImage over a reader', () => {
  it('gives the same answers as over bytes in memory, for every page size', () => {
    const pageBytes = fc.constantFrom(1, 33, 1000, 4096, 16384);
    fc.assert(
      fc.property(arbitraryTree, fc.constantFrom(...VERSIONS), pageBytes, (tree, version, size) => {
        const bytes = encodeImage(tree, { version, algorithm: 'sha256' });
        const paged = openImage(readerOf(bytes), { pageBytes: size });
        assert.deepEqual(shown(paged), shown(openImage(bytes)));
      }),
      { numRuns: 40 },
    );
  });

  it('finds a name in a very large directory by reading few pages', () => {
    const lines = Array.from(
      { length: 20_000 },
      (_, at) => `/f${String(at).padStart(5, '0')} 1 100644 1 0 0 0 1.0 - x -\n`,
    );
    const bytes = imageOf(`/ 0 40755 2 0 0 0 1.0 - - -\n${lines.join('')}`, 1);
    let bytesRead = 0;
    const { read } = readerOf(bytes);
    const image = openImage({
      sizeBytes: bytes.length,
      read(offset, into) {
        const count = read(offset, into);
        bytesRead += count;
        return count;
      },
    });
    for (const name of ['f00000', 'f12345', 'f19999']) {
      assert.equal(image.findPath(name)?.sizeBytes, 1, name);
    }
    for (const name of ['a', 'f', 'f00000x', 'g', '5a']) {
      assert.equal(image.findPath(name), undefined, name);
    }
    assert.ok(bytesRead < bytes.length / 4, `${bytesRead} of ${bytes.length} bytes`);
  });

  it('refuses a file that ends before its size', () => {
    const bytes = imageOf(DUMP, 1);
    for (let end = 0; end < bytes.length; end += 97) {
      const cut = { ...readerOf(bytes.subarray(0, end)), sizeBytes: bytes.length };
      const read = () => shown(openImage(cut, { pageBytes: 64 }));
      assert.throws(read, (error) => hasCode(error, 'EROFS_INVALID'));
    }
  });
});

describe('readTree', () => {
  it('undoes encodeImage for random trees in every version', () => {
    fc.assert(
      fc.property(arbitraryTree, fc.constantFrom(...VERSIONS), (tree, version) => {
        const image = encodeImage(tree, { version, algorithm: 'sha256' });
        assert.deepEqual(checkImage(image), []);
        const again = readTree(image);
        assert.equal(canonical(again, version), canonical(tree, version));
        if (version !== 2) return;
        assert.deepEqual(encodeImage(again, { version, algorithm: 'sha256' }), image);
      }),
      { numRuns: 300 },
    );
  });

  it('undoes encodeImage for the golden dumps', () => {
    const directory = new URL('../../../../test/golden/composefs/random/', import.meta.url);
    for (const name of ['0001', '0002', '0005', '0010', '0020']) {
      const dump = gunzipSync(readFileSync(new URL(`${name}.dump.gz`, directory)));
      for (const version of VERSIONS) {
        const image = imageOf(dump, version);
        assert.deepEqual(checkImage(image), []);
        const again = readTree(image);
        assert.deepEqual(
          encodeImage(again, { version, algorithm: 'sha256' }),
          image,
          `${name} V${version}`,
        );
      }
    }
  });

  it('keeps whiteouts at every level, and leaves out the whiteout stubs of V1', () => {
    const dump = `/ 0 40755 2 0 0 0 1.0 - - -\n/ab 0 20600 1 0 0 0 1.0 - - -\n/d 0 40755 2 0 0 0 1.0 - - -\n/d/w 0 20644 1 0 0 0 1.0 - - -\n`;
    for (const version of VERSIONS) {
      const tree = readTree(imageOf(dump, version));
      assert.equal(tree.root.entries.size, 2);
      assert.deepEqual([...tree.leaves].map(isWhiteout), [true, true]);
    }
  });

  it('distinguishes the four forms of a regular file', () => {
    for (const version of VERSIONS) {
      const tree = readTree(imageOf(DUMP, version));
      const kindOf = (name: string): Leaf['kind'] | undefined =>
        tree.leaves.at(tree.root.entries.get(name as ByteString) as number)?.kind;
      assert.deepEqual(['c', 'e', 's', 'z'].map(kindOf), [
        'external',
        'externalNoVerity',
        'sparse',
        'inline',
      ]);
    }
  });

  it('shares no memory with the image', () => {
    const image = Buffer.from(imageOf(DUMP, 1));
    const tree = readTree(image);
    const before = canonical(tree, 1);
    image.fill(0);
    assert.equal(canonical(tree, 1), before);
  });
});

describe('openImage', () => {
  const at = SUPERBLOCK_OFFSET;
  const refused: readonly [string, number, number, 1 | 2 | 4, string][] = [
    ['another composefs magic', HEADER.magic, 1, 4, 'EROFS_MAGIC_INVALID'],
    ['another header version', HEADER.version, 2, 4, 'EROFS_MAGIC_INVALID'],
    ['another EROFS magic', at + SUPERBLOCK.magic, 1, 4, 'EROFS_MAGIC_INVALID'],
    ['an unknown composefs version', HEADER.composefsVersion, 3, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['incompat feature 0x1', at + SUPERBLOCK.featureIncompat, 1, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['incompat feature 0x8', at + SUPERBLOCK.featureIncompat, 8, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['incompat feature 0x20', at + SUPERBLOCK.featureIncompat, 0x20, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['compat feature 0x100', at + SUPERBLOCK.featureCompat, 0x106, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['compression', at + SUPERBLOCK.compressionAlgorithms, 1, 2, 'EROFS_FEATURE_UNKNOWN'],
    ['extra devices', at + SUPERBLOCK.extraDevices, 1, 2, 'EROFS_FEATURE_UNKNOWN'],
    ['superblock extensions', at + SUPERBLOCK.extSlots, 1, 1, 'EROFS_FEATURE_UNKNOWN'],
    ['a packed inode', at + SUPERBLOCK.packedNid, 1, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['a meta block', at + SUPERBLOCK.metaBlock, 1, 4, 'EROFS_FEATURE_UNKNOWN'],
    ['xattr prefixes', at + SUPERBLOCK.xattrPrefixCount, 1, 1, 'EROFS_FEATURE_UNKNOWN'],
    ['blocks of 512 bytes', at + SUPERBLOCK.blockBits, 9, 1, 'EROFS_FEATURE_UNKNOWN'],
    ['an xattr area past the end', at + SUPERBLOCK.xattrBlock, 0xffffff, 4, 'EROFS_INVALID'],
  ];
  for (const [name, offset, value, width, code] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => openImage(patched(imageOf(DUMP, 1), offset, value, width)), { code });
    });
  }

  it('refuses an image above its limit', () => {
    assert.throws(() => openImage(imageOf(DUMP, 1), { limitBytes: 4096 }), {
      code: 'EROFS_TOO_LARGE',
    });
  });

  it('without the composefs restrictions, opens other images but still checks what it reads', () => {
    const image = patched(imageOf(DUMP, 1), HEADER.magic, 0);
    assert.equal(openImage(image, { restrict: false }).findPath('/c')?.sizeBytes, 5000);
    const broken = patched(image, at + SUPERBLOCK.blockBits, 200, 1);
    assert.throws(() => openImage(broken, { restrict: false }), { code: 'EROFS_INVALID' });
  });
});

describe('ErofsImage', () => {
  it('answers queries of single paths', () => {
    for (const version of VERSIONS) {
      const image = openImage(imageOf(DUMP, version));
      const find = (path: string): NonNullable<ReturnType<typeof image.findPath>> => {
        const inode = image.findPath(path);
        assert.ok(inode, path);
        return inode;
      };
      assert.deepEqual(
        image.listDirectory(find('/')).map((entry) => displayText(entry.name)),
        ['b', 'c', 'd', 'e', 'l', 's', 'z'],
      );
      assert.deepEqual(image.objectOf(find('c')), { id: ID, isVerified: true });
      assert.deepEqual(image.objectOf(find('/e/')), { id: OTHER, isVerified: false });
      assert.equal(image.objectOf(find('s')), undefined);
      assert.deepEqual([...image.xattrs(find('c')).keys()].sort(), [
        'security.selinux',
        'trusted.overlay.custom',
      ]);
      assert.equal(Buffer.from(image.readInline(find('z'))).toString(), 'hello');
      assert.equal(Buffer.from(image.readInline(find('l'))).toString(), '/target');
      assert.equal(find('z').nid, find('b/link2').nid);
      assert.equal(find('d').rdev, 2049);
      assert.equal(find('b').uid, 70000);
      assert.equal(image.findPath('/c/x'), undefined);
      assert.equal(image.findPath('/nothing'), undefined);
    }
  });
});

/** Each id that the scan visits, once and sorted. */
function scanned(image: Uint8Array): string[] {
  const ids = new Set<string>();
  scanObjectRefs(image, 32, (words, at) => {
    ids.add(Buffer.from(words.buffer, words.byteOffset + at * 4, 32).toString('hex'));
  });
  return [...ids].sort();
}

/** Each id that a walk visits, and the ids of another size. */
function visited(image: Uint8Array, digestBytes: number) {
  const shown = new Set<string>();
  const others = visitObjectRefs(image, digestBytes, (words, at) => {
    const { buffer, byteOffset } = words;
    shown.add(Buffer.from(buffer, byteOffset + at * 4, digestBytes).toString('hex'));
  });
  return { shown: [...shown].sort(), others: [...others].sort() };
}

function patchedByte(image: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(image);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

describe('checkImage and listObjectRefs', () => {
  it('list the objects of an image', () => {
    for (const version of VERSIONS) {
      assert.deepEqual([...listObjectRefs(imageOf(DUMP, version))].sort(), [ID, OTHER]);
      const image = imageOf(DUMP, version);
      assert.deepEqual(scanned(image), [ID, OTHER]);
      const moved = new Uint8Array(image.length + 1).subarray(1);
      moved.set(image);
      assert.deepEqual(scanned(moved), [ID, OTHER], 'at an odd address');
      assert.deepEqual(visited(image, 32), { shown: [ID, OTHER], others: [] });
      assert.deepEqual(visited(image, 64), { shown: [], others: [ID, OTHER] });
      const found = Buffer.from(image);
      const slash = found.indexOf(`${ID.slice(0, 2)}/${ID.slice(2)}`) + 2;
      const metacopy = found.indexOf(Buffer.from(ID, 'hex'));
      assert.equal(scanned(patchedByte(image, metacopy)).length, 3, 'both names count');
      const without = patchedByte(image, slash);
      assert.deepEqual(scanned(without), [ID, OTHER], 'the metacopy alone');
      assert.deepEqual(scanned(patchedByte(without, metacopy - 1)), [OTHER], 'neither');
    }
  });

  it('report missing stubs when a V2 image claims to be V1', () => {
    const image = patched(imageOf(DUMP, 2), HEADER.composefsVersion, 1);
    const codes = checkImage(image).map((finding) => finding.code);
    assert.equal(codes.filter((code) => code === 'stub-missing').length, 256);
    assert.throws(() => listObjectRefs(image), { code: 'EROFS_INVALID' });
    assert.throws(() => visited(image, 32), { code: 'EROFS_INVALID' });
  });

  it('report the escaped whiteout when a V1 image claims to be V2', () => {
    const dump = '/ 0 40755 2 0 0 0 1.0 - - -\n/w 0 20644 1 0 0 0 1.0 - - -\n';
    const image = patched(imageOf(dump, 1), HEADER.composefsVersion, 2);
    assert.deepEqual(
      checkImage(image).map((finding) => finding.code),
      ['whiteout-escaped'],
    );
  });

  it('report a symlink whose target crosses a block', () => {
    const image = imageOf(DUMP, 1);
    const inode = openImage(image).findPath('l');
    assert.ok(inode);
    const long = patched(image, inode.offset + EXTENDED.size, 4000);
    const codes = checkImage(long).map((finding) => finding.code);
    assert.ok(codes.includes('symlink-crosses-block'));
  });
});

describe('hostile images', () => {
  const dump = `/ 0 40755 2 0 0 0 1.0 - - -\n/d 0 40755 2 0 0 0 1.0 - - - user.a=b\n/d/f 5 100644 1 0 0 0 1.0 - hello - user.a=b\n/x 9 100644 1 0 0 0 1.0 5a/${ID.slice(2)} - ${ID}\n`;

  it('truncated at any byte are refused', () => {
    const image = imageOf(dump, 2);
    for (let length = 0; length < image.length; length += 1) {
      const cut = image.subarray(0, length);
      // Only zero padding after the last structure may be cut.
      const isPadding = image.subarray(length).every((byte) => byte === 0);
      assert.ok(readAll(cut) === 'refused' || isPadding, `cut at ${length}`);
    }
  });

  for (const version of [1, 2] as const) {
    it(`with any byte of a V${version} image changed give a value or a FormatError`, () => {
      const image = imageOf(dump, version);
      const end = image.length;
      for (let offset = 0; offset < end; offset += 1) {
        // Zeros, and in V1 the 256 stubs, are repetitive: test only a part.
        if (offset % (image[offset] === 0 || (version === 1 && offset > 1400) ? 37 : 1) !== 0)
          continue;
        for (const flip of version === 1 ? [0xff] : [0xff, 0x01, 0x80]) {
          const copy = image.slice();
          copy[offset] = (copy[offset] as number) ^ flip;
          readAll(copy);
        }
      }
    });
  }

  const nlink = EXTENDED.nlink;
  const damage: readonly [string, string, (offset: number) => [number, number, 1 | 2 | 4]][] = [
    ['a leaf with another link count', 'x', (offset) => [offset + nlink, 2, 4]],
    ['a directory with another link count', 'd', (offset) => [offset + nlink, 3, 4]],
    ['"." that leads elsewhere', 'd', (offset) => [offset + EXTENDED.sizeBytes + 16, 36, 4]],
    ['an unknown layout', 'x', (offset) => [offset + COMPACT.format, 3, 2]],
    ['an unknown file type', 'x', (offset) => [offset + COMPACT.mode, 0o30644, 2]],
    ['an xattr section past the end', 'x', (offset) => [offset + COMPACT.xattrCount, 0xffff, 2]],
    [
      'a directory larger than the image',
      'd',
      (offset) => [offset + EXTENDED.size, 4096 * 1000, 4],
    ],
    ['a size above 2^53', 'x', (offset) => [offset + EXTENDED.size + 4, 0xffffffff, 4]],
    ['a size little above 2^53', 'x', (offset) => [offset + EXTENDED.size + 4, 2 ** 21, 4]],
  ];
  for (const [name, path, patch] of damage) {
    it(`with ${name} are refused`, () => {
      const image = imageOf(dump, 2);
      const inode = openImage(image).findPath(path);
      assert.ok(inode);
      assert.throws(
        () => readTree(patched(image, ...patch(inode.offset))),
        (error) => hasCode(error, 'EROFS_INVALID'),
      );
    });
  }

  it('with a duplicate name in a directory are refused', () => {
    const image = imageOf(
      '/ 0 40755 2 0 0 0 1.0 - - -\n/aa 0 10644 1 0 0 0 1.0 - - -\n/ab 0 10644 1 0 0 0 1.0 - - -\n',
      2,
    );
    const at = Buffer.from(image.buffer).indexOf('aaab');
    assert.ok(at > 0);
    assert.throws(() => readTree(patched(image, at + 3, 0x61, 1)), { code: 'EROFS_INVALID' });
  });

  it('with a name that contains a slash are refused', () => {
    const image = imageOf('/ 0 40755 2 0 0 0 1.0 - - -\n/aqa 0 10644 1 0 0 0 1.0 - - -\n', 2);
    const at = Buffer.from(image.buffer).indexOf('aqa');
    assert.throws(() => readTree(patched(image, at + 1, 0x2f, 1)), { code: 'EROFS_INVALID' });
  });

  it('that hard-link a whiteout to a device are refused', () => {
    const image = imageOf(
      '/ 0 40755 2 0 0 0 1.0 - - -\n/a 0 20644 2 0 0 1 1.0 - - -\n/b 0 @120000 - - - - 0.0 /a - -\n',
      2,
    );
    const inode = openImage(image).findPath('a');
    assert.ok(inode);
    assert.throws(() => readTree(patched(image, inode.offset + EXTENDED.union, 0)), {
      code: 'EROFS_INVALID',
    });
  });

  it('in which many directories share one block are refused before a long walk', () => {
    const lines = Array.from(
      { length: 300 },
      (_, at) => `/d${at} 0 40755 2 0 0 0 1.0 - - -\n`,
    ).join('');
    const image = imageOf(`/ 0 40755 302 0 0 0 1.0 - - -\n${lines}`, 1);
    const opened = openImage(image);
    const root = opened.findPath('/');
    assert.ok(root);
    let evil = image;
    for (const { nid } of opened.listDirectory(root)) {
      const { offset, headerBytes } = opened.inode(nid);
      evil = patched(evil, offset, headerBytes === 32 ? 0 : 1, 2);
      evil = patched(evil, offset + 8, root.sizeBytes - (root.sizeBytes % 4096));
      evil = patched(evil, offset + COMPACT.union, root.union);
    }
    assert.throws(() => readTree(evil), { code: 'EROFS_INVALID' });
    assert.ok(checkImage(evil).some((finding) => finding.code === 'unreadable'));
  });
});
