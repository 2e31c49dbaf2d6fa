/** Layers whose tar, or whose TOC about it, no honest writer makes. Digests and positions are right, so that nothing is refused for them. */
import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { Crc64Iso } from '#formats/tar-split';
import type { ChunkedFixture } from './chunked-layers.ts';
import { type EditableMetadata, metadataOf, withMetadata } from './chunked-metadata.ts';
import { type TestMember, testPaxRecord, testTarHeader, withTestChecksum } from './tar-archive.ts';

const PREFIX = 'io.github.containers.zstd-chunked.';

/** A member of a layer, and what its TOC says of it. */
interface HostileMember {
  /** Name of the tar-split record. */
  readonly name: string;
  /** All headers. */
  readonly headers: Buffer;
  readonly content?: Buffer;
  /** Compressed content in place of the right one. */
  readonly frame?: Buffer;
  /** Changes of the entry; undefined removes a key. */
  readonly entry?: Readonly<Record<string, unknown>>;
  /** Entries that follow. */
  readonly more?: (offset: number, endOffset: number) => readonly object[];
}

const TYPES: Readonly<Record<string, string>> = {
  '0': 'reg',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '5': 'dir',
  '6': 'fifo',
};

function member(header: TestMember, rest: Partial<HostileMember> = {}): HostileMember {
  const { name, flag = '0', link } = header;
  const stated = rest.content === undefined ? header : { ...header, content: rest.content };
  return {
    name,
    headers: testTarHeader(stated),
    ...rest,
    entry: { type: TYPES[flag], ...(link === undefined ? {} : { linkName: link }), ...rest.entry },
  };
}

/** A member with PAX records before it. */
function paxMember(records: readonly (readonly [string, string])[], of: HostileMember) {
  const content = Buffer.from(records.map(([key, value]) => testPaxRecord(key, value)).join(''));
  const padding = Buffer.alloc(-content.length & 511);
  const headers = testTarHeader({ name: 'pax', flag: 'x', content });
  return { ...of, headers: Buffer.concat([headers, content, padding, of.headers]) };
}

/** A header with bytes in place of some of its own. */
function patched(header: TestMember, at: number, bytes: readonly number[] | string): Buffer {
  const block = testTarHeader(header);
  Buffer.from(bytes as string, 'latin1').copy(block, at);
  return withTestChecksum(block);
}

const sum = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The layer of these members. */
function layerOf(members: readonly HostileMember[]): ChunkedFixture {
  const blob: Buffer[] = [];
  const tar: Buffer[] = [];
  const entries: object[] = [];
  const records: Record<string, unknown>[] = [];
  let offset = 0;
  let padding = Buffer.alloc(0);
  const put = (bytes: Buffer, frame: Buffer = zstdCompressSync(bytes)) => {
    tar.push(bytes);
    blob.push(frame);
    offset += frame.length;
  };
  const segment = (bytes: Buffer) => {
    put(bytes);
    records.push({ type: 2, payload: bytes.toString('base64'), position: records.length });
  };
  for (const { name, headers, content, frame, entry, more } of members) {
    segment(Buffer.concat([padding, headers]));
    const start = offset;
    const stated: Record<string, unknown> = { name, mode: 0o644 };
    const raw = Buffer.from(name, 'latin1');
    const isAscii = raw.every((byte) => byte < 0x80);
    const spelled = isAscii ? { name } : { name_raw: raw.toString('base64') };
    const record: Record<string, unknown> = { type: 1, ...spelled };
    if (content === undefined) record['payload'] = null;
    else {
      put(content, frame);
      const crc = new Crc64Iso();
      crc.update(content);
      Object.assign(record, {
        size: content.length,
        payload: Buffer.from(crc.finish()).toString('base64'),
      });
      const size = content.length;
      Object.assign(stated, { size, digest: sum(content), offset: start, endOffset: offset });
    }
    records.push({ ...record, position: records.length });
    entries.push({ ...stated, ...entry }, ...(more?.(start, offset) ?? []));
    padding = Buffer.alloc(-(content?.length ?? 0) & 511);
  }
  segment(Buffer.concat([padding, Buffer.alloc(1024)]));
  const start: ChunkedFixture = {
    name: 'hostile',
    image: '',
    mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
    blob: Buffer.concat(blob),
    annotations: { [`${PREFIX}manifest-position`]: `${offset + 8}:0:0:1` },
    diffId: sum(Buffer.concat(tar)),
  };
  const toc = { version: 1, entries, tarSplitDigest: '' } as unknown as EditableMetadata['toc'];
  return withMetadata(start, { toc, records, annotations: {}, claims: {} });
}

const TEN = Buffer.from('0123456789');
const file = (name: string, rest: Partial<HostileMember> = {}) =>
  member({ name }, { content: TEN, ...rest });
const chunks = (sizes: readonly number[], table: (at: number) => object) =>
  sizes.map((chunkSize, at) => ({ chunkSize, chunkDigest: sum(TEN), ...table(at) }));

/** What must become of a layer. */
export type HostileVerdict = 'refused' | 'taken' | 'either';

/** Hostile layers by what is odd about them. */
export const HOSTILE_MEMBERS: Readonly<
  Record<string, { readonly verdict: HostileVerdict; readonly make: () => ChunkedFixture }>
> = {
  'two good files': { verdict: 'taken', make: () => layerOf([file('a'), file('b')]) },
  'chunks that overlap': {
    verdict: 'refused',
    make: () =>
      layerOf([
        file('a', {
          entry: { ...chunks([6], () => ({}))[0] },
          more: (offset) => [
            { type: 'chunk', name: 'a', ...chunks([5], () => ({ chunkOffset: 5, offset }))[0] },
          ],
        }),
      ]),
  },
  'two files of one range': {
    verdict: 'refused',
    make: () => layerOf([file('a'), file('b', { entry: { offset: 32, endOffset: 50 } })]),
  },
  'a range beyond the blob': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { offset: 2 ** 40, endOffset: 2 ** 41 } })]),
  },
  'a range over the TOC': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { endOffset: 10_000_000 } })]),
  },
  'a range that ends before it begins': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { endOffset: 0 } })]),
  },
  'a negative size': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { size: -10 } })]),
  },
  'a negative offset': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { offset: -1 } })]),
  },
  'a size beyond 2^53': {
    verdict: 'refused',
    make: () => layerOf([file('a', { entry: { size: 2 ** 60 } })]),
  },
  'a hole larger than its file': {
    verdict: 'refused',
    make: () =>
      layerOf([file('a', { entry: { chunkType: 'zeros', chunkSize: 2 ** 38, chunkDigest: '' } })]),
  },
  'a name twice': { verdict: 'refused', make: () => layerOf([file('a'), file('a')]) },
  'a name twice in other spellings': {
    verdict: 'refused',
    make: () => layerOf([file('a'), file('./a')]),
  },
  'a file below a file': { verdict: 'refused', make: () => layerOf([file('a'), file('a/b')]) },
  'a name with a NUL': {
    verdict: 'refused',
    make: () =>
      layerOf([
        paxMember(
          [['path', 'a\0b']],
          file('a\0b', { headers: testTarHeader({ name: 'x', content: TEN }) }),
        ),
      ]),
  },
  'a name that leaves the tree': { verdict: 'refused', make: () => layerOf([file('../a')]) },
  'a name with dots in its midst': { verdict: 'refused', make: () => layerOf([file('b/../../a')]) },
  'an absolute name': { verdict: 'taken', make: () => layerOf([file('/etc/a')]) },
  'a name that is not UTF-8': {
    verdict: 'taken',
    make: () => layerOf([file('a\xff', { entry: { name: 'a\ufffd' } })]),
  },
  'a name of 60,000 bytes': {
    verdict: 'either',
    make: () => {
      const name = 'n'.repeat(60_000);
      return layerOf([paxMember([['path', name]], file(name))]);
    },
  },
  'a path of 30,000 directories': {
    verdict: 'either',
    make: () => {
      const name = 'd/'.repeat(30_000);
      return layerOf([paxMember([['path', name]], member({ name, flag: '5' }))]);
    },
  },
  'a hard link to nothing': {
    verdict: 'refused',
    make: () => layerOf([member({ name: 'a', flag: '1', link: 'b' })]),
  },
  'a hard link to a later file': {
    verdict: 'either',
    make: () => layerOf([member({ name: 'a', flag: '1', link: 'b' }), file('b')]),
  },
  'a hard link to itself': {
    verdict: 'refused',
    make: () => layerOf([member({ name: 'a', flag: '1', link: 'a' })]),
  },
  'hard links in a circle': {
    verdict: 'refused',
    make: () =>
      layerOf([
        member({ name: 'a', flag: '1', link: 'b' }),
        member({ name: 'b', flag: '1', link: 'a' }),
      ]),
  },
  'a hard link that leaves the tree': {
    verdict: 'refused',
    make: () => layerOf([file('b'), member({ name: 'a', flag: '1', link: '../b' })]),
  },
  'a hard link to a directory': {
    verdict: 'refused',
    make: () =>
      layerOf([member({ name: 'd', flag: '5' }), member({ name: 'a', flag: '1', link: 'd' })]),
  },
  'a link target that differs after 200 bytes': {
    verdict: 'refused',
    make: () => {
      const long = 't'.repeat(250);
      const link = member({ name: 'a', flag: '2', link: '' }, { entry: { linkName: `${long}x` } });
      return layerOf([paxMember([['linkpath', `${long}y`]], link)]);
    },
  },
  'an extended attribute of 900,000 bytes': {
    verdict: 'either',
    make: () => {
      const value = 'v'.repeat(900_000);
      const xattrs = { 'user.a': Buffer.from(value).toString('base64') };
      return layerOf([
        paxMember([['SCHILY.xattr.user.a', value]], file('a', { entry: { xattrs } })),
      ]);
    },
  },
  'a device number beyond 32 bits': {
    verdict: 'either',
    make: () =>
      layerOf([
        member(
          { name: 'a', flag: '3' },
          {
            headers: patched({ name: 'a', flag: '3' }, 329, '777777777777777'),
            entry: { devMajor: 0o7777777, devMinor: 0o77777777 },
          },
        ),
      ]),
  },
  'a time in the year 292 billion': {
    verdict: 'either',
    make: () =>
      layerOf([
        file('a', {
          headers: patched(
            { name: 'a', content: TEN },
            136,
            '\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff',
          ),
          entry: { modtime: '9999-12-31T23:59:59Z' },
        }),
      ]),
  },
  'an owner beyond 32 bits': {
    verdict: 'either',
    make: () =>
      layerOf([
        file('a', {
          headers: patched({ name: 'a', content: TEN }, 108, '\x80\0\0\x01\0\0\0\0'),
          entry: { uid: 2 ** 32 },
        }),
      ]),
  },
  'a chunk that inflates to a gigabyte': {
    verdict: 'refused',
    make: () => layerOf([file('a', { frame: zstdCompressSync(Buffer.alloc(2 ** 30)) })]),
  },
  'a large file of a gigabyte that is less': {
    verdict: 'refused',
    make: () => {
      const frame = zstdCompressSync(Buffer.alloc(2 ** 30));
      const content = Buffer.alloc(20 * 2 ** 20, 'x');
      return layerOf([
        file('a', { content, headers: testTarHeader({ name: 'a', content }), frame }),
      ]);
    },
  },
  'a chunk that is no zstd data': {
    verdict: 'refused',
    make: () => layerOf([file('a', { frame: Buffer.alloc(100, 'x') })]),
  },
  'a chunk of other bytes': {
    verdict: 'refused',
    make: () => layerOf([file('a', { frame: zstdCompressSync(Buffer.from('9876543210')) })]),
  },
  'a TOC that claims less': { verdict: 'either', make: () => claiming({ toc: 10 }) },
  'a TOC that claims more': { verdict: 'either', make: () => claiming({ toc: 2 ** 26 }) },
  'a TOC that claims 2^53': { verdict: 'either', make: () => claiming({ toc: 2 ** 53 }) },
  'a tar-split that claims less': { verdict: 'either', make: () => claiming({ tarSplit: 10 }) },
  'a tar-split that claims more': {
    verdict: 'either',
    make: () => claiming({ tarSplit: 2 ** 28 }),
  },
  'a TOC that inflates to a gigabyte of blanks': {
    verdict: 'either',
    make: () =>
      bomb((metadata) => {
        metadata.rewrite = (text) => Buffer.concat([Buffer.from(text), Buffer.alloc(2 ** 30, ' ')]);
        metadata.claims = { toc: 150 * 2 ** 20 };
      }),
  },
  'a tar-split that inflates to a gigabyte of lines': {
    verdict: 'either',
    make: () =>
      bomb((metadata) => {
        metadata.tarSplitBytes = zstdCompressSync(Buffer.alloc(2 ** 30, '\n'));
        metadata.claims = { tarSplit: 600 * 2 ** 20 };
      }),
  },
  'eStargz by its annotation alone': {
    verdict: 'either',
    make: () => {
      const { annotations: _, ...good } = layerOf([file('a')]);
      return { ...good, annotations: { 'containerd.io/snapshot/stargz/toc.digest': sum(TEN) } };
    },
  },
};

function claiming(claims: EditableMetadata['claims']): ChunkedFixture {
  return bomb((metadata) => {
    metadata.claims = claims;
  });
}

/** A good layer with other metadata. */
function bomb(change: (metadata: EditableMetadata) => void): ChunkedFixture {
  const good = layerOf([file('a')]);
  const metadata = metadataOf(good);
  change(metadata);
  return withMetadata(good, metadata);
}
