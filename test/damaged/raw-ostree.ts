import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { type ByteString, byteStringFromText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import {
  arrayOf,
  BYTES,
  encodeVariant,
  STRING,
  tupleOf,
  UINT32,
  UINT64,
  VARIANT_DICT,
  type VariantDict,
} from '#formats/gvariant';
import {
  checksumBytes,
  computeFileChecksum,
  computeMetadataChecksum,
  encodeDirmeta,
  encodeFilez,
  type FileHeader,
  frameHeader,
  type MetadataKind,
  ostreeObjectPath,
} from '#formats/ostree';

const XATTRS = arrayOf(tupleOf(BYTES, BYTES));
const DIRMETA = tupleOf(UINT32, UINT32, UINT32, XATTRS);
const FILE_HEADER = tupleOf(UINT32, UINT32, UINT32, UINT32, STRING, XATTRS);
const ZLIB_HEADER = tupleOf(UINT64, UINT32, UINT32, UINT32, UINT32, STRING, XATTRS);
const DIRTREE = tupleOf(arrayOf(tupleOf(STRING, BYTES)), arrayOf(tupleOf(STRING, BYTES, BYTES)));
/** Type of a commit. */
export const COMMIT = tupleOf(
  VARIANT_DICT,
  BYTES,
  arrayOf(tupleOf(STRING, BYTES)),
  STRING,
  STRING,
  UINT64,
  BYTES,
  BYTES,
);

/** A number as a big-endian field of a little-endian format holds it. */
export const big32 = (value: number): number =>
  Buffer.from(new Uint32Array([value]).buffer).readUInt32BE();
/** As `big32`, of 64 bits. */
export const big64 = (value: bigint): bigint =>
  Buffer.from(new BigUint64Array([value]).buffer).readBigUInt64BE();
/** Bytes of a text, one for each character. */
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** Xattrs with names as they are stored. */
export type RawXattrs = readonly (readonly [Uint8Array, Uint8Array])[];

/** Writes an archive repository object by object, without any rule. */
export class RawRepo {
  readonly path: string;
  readonly meta: OstreeChecksum;
  readonly file: OstreeChecksum;

  constructor(path: string) {
    this.path = path;
    for (const folder of ['objects', 'refs/heads', 'tmp', 'state']) {
      mkdirSync(join(path, folder), { recursive: true });
    }
    this.put('config', '[core]\nrepo_version=1\nmode=archive-z2\n');
    this.meta = this.metadata(
      'dirmeta',
      encodeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] }),
    );
    this.file = this.regular('hi\n');
  }

  put(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), content);
  }

  metadata(kind: MetadataKind, content: Uint8Array, as?: OstreeChecksum): OstreeChecksum {
    const checksum = as ?? computeMetadataChecksum(content);
    this.put(ostreeObjectPath(checksum, kind), content);
    return checksum;
  }

  filez(checksum: OstreeChecksum, content: Uint8Array): OstreeChecksum {
    this.put(ostreeObjectPath(checksum, 'file', true), content);
    return checksum;
  }

  regular(content: string): OstreeChecksum {
    const header = { ...PLAIN, sizeBytes: content.length };
    return this.filez(
      computeFileChecksum(header, bytes(content)),
      encodeFilez(header, bytes(content)),
    );
  }

  /** A file whose stored header is given; its checksum is that of libostree for such a file. */
  rawFile(raw: RawFile, payload: Uint8Array = deflateRawSync('hi\n')): OstreeChecksum {
    const { uid = 0, gid = 0, mode = 0o100644, rdev = 0, target = '', xattrs = [] } = raw;
    const { size = 3n, hashed = 'hi\n', hashedTarget = target } = raw;
    const numbers = [big32(uid), big32(gid), big32(mode), big32(rdev)] as const;
    const stored = encodeVariant([big64(size), ...numbers, target, xattrs], ZLIB_HEADER);
    const sorted = [...xattrs].sort(([a], [b]) => Buffer.compare(a, b));
    const header = encodeVariant([...numbers, hashedTarget, sorted], FILE_HEADER);
    const whole = Buffer.concat([frameHeader(header), bytes(hashed)]);
    return this.filez(
      computeMetadataChecksum(whole),
      Buffer.concat([frameHeader(stored), payload]),
    );
  }

  dirtree(
    files: readonly RawFileEntry[],
    directories: readonly RawDirectory[] = [],
  ): OstreeChecksum {
    return this.metadata('dirtree', rawDirtree(files, directories));
  }

  commit(tree: OstreeChecksum, more: Partial<RawCommit> = {}): OstreeChecksum {
    const { metadata = [], parent = new Uint8Array(0), related = [], subject = 's' } = more;
    const { root = checksumBytes(tree), meta = checksumBytes(more.rootMeta ?? this.meta) } = more;
    const raw = [metadata, parent, related, subject, '', big64(1n), root, meta] as const;
    const commit = this.metadata('commit', encodeVariant(raw, COMMIT));
    this.put('refs/heads/t', `${commit}\n`);
    return commit;
  }

  /** A commit of one file, or of entries. */
  of(...files: readonly RawFileEntry[]): OstreeChecksum {
    return this.commit(this.dirtree(files));
  }
}

/** The stored header of a file; what is left out is that of "hi\n", 0644. */
export interface RawFile {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  readonly rdev?: number;
  readonly target?: string;
  readonly xattrs?: RawXattrs;
  readonly size?: bigint;
  /** What goes into the checksum. */
  readonly hashed?: string;
  readonly hashedTarget?: string;
}

/** Members of a commit; what is left out is empty, or right. */
export interface RawCommit {
  readonly metadata: VariantDict;
  readonly parent: Uint8Array;
  readonly related: readonly (readonly [string, Uint8Array])[];
  readonly subject: string;
  readonly root: Uint8Array;
  readonly meta: Uint8Array;
  readonly rootMeta: OstreeChecksum;
}

/** A file in a dirtree. */
export type RawFileEntry = readonly [name: string, checksum: OstreeChecksum | Uint8Array];
/** A directory in a dirtree. */
export type RawDirectory = readonly [
  name: string,
  tree: OstreeChecksum | Uint8Array,
  meta: OstreeChecksum | Uint8Array,
];

/** The header of an ordinary file. */
export const PLAIN: FileHeader = {
  uid: 0,
  gid: 0,
  mode: 0o100644,
  target: byteStringFromText('') as ByteString,
  xattrs: [],
};
/** The checksum of nothing that can be found. */
export const ZERO_SUM = '0'.repeat(64) as OstreeChecksum;

/** The bytes of a checksum, or bytes that are none. */
export const sum = (value: OstreeChecksum | Uint8Array): Uint8Array =>
  typeof value === 'string' ? checksumBytes(value) : value;

/** A dirtree of any entries. */
export function rawDirtree(
  files: readonly RawFileEntry[],
  directories: readonly RawDirectory[] = [],
): Uint8Array {
  return encodeVariant(
    [
      files.map(([name, checksum]) => [name, sum(checksum)] as const),
      directories.map(([name, tree, meta]) => [name, sum(tree), sum(meta)] as const),
    ],
    DIRTREE,
  );
}

/** A dirmeta of any mode. */
export function rawDirmeta(mode: number, xattrs: RawXattrs = []): Uint8Array {
  return encodeVariant([0, 0, big32(mode), xattrs], DIRMETA);
}

/** A xattr of texts. */
export const xattr = (name: string, value = 'v') => [bytes(name), bytes(value)] as const;
