import { isOnecopyError } from '#base/errors';
import { FOOTER_TAIL_BYTES, parseChunkedFooter, parseStargzFooter } from '#formats/chunked';
import {
  parseCommit,
  parseDelta,
  parseDirmeta,
  parseDirtree,
  parseFilez,
  parseMetadataDict,
  parseSummary,
  parseSummaryIndex,
} from '#formats/ostree';

/** The formats that a file can be described as. */
export const FILE_FORMATS = [
  'splitstream',
  'erofs',
  'dumpfile',
  'chunked-layer',
  'tar-split',
  'ostree-commit',
  'ostree-dirtree',
  'ostree-dirmeta',
  'ostree-filez',
  'ostree-summary',
  'ostree-summary-index',
  'ostree-delta',
  'ostree-metadata',
] as const;
/** Name of a format. */
export type FileFormat = (typeof FILE_FORMATS)[number];

const SPLITSTREAM_MAGIC = 'SplitStream';
/** In the first layout of the format, the magic has an offset of eleven bytes. Source: composefs core spec 3.2 */
const SPLITSTREAM_MAGIC_END = 32;
/** Source: Linux erofs_fs.h EROFS_SUPER_OFFSET, EROFS_SUPER_MAGIC_V1. */
const EROFS_SUPER_OFFSET = 1024;
const EROFS_MAGIC = 0xe0f5e1e2;
const SIGNED_DELTA_MAGIC = 'OSTSGNDT';

/** Formats by the end of a file name. */
const BY_NAME: readonly (readonly [RegExp, FileFormat])[] = [
  [/\.commit$/, 'ostree-commit'],
  [/\.dirtree$/, 'ostree-dirtree'],
  [/\.dirmeta$/, 'ostree-dirmeta'],
  [/\.filez$/, 'ostree-filez'],
  [/\.(commitmeta|sig|tombstone-commit|index)$/, 'ostree-metadata'],
  [/(^|\/)superblock$|\.delta$/, 'ostree-delta'],
  [/(^|\/)summary$/, 'ostree-summary'],
  [/(^|\/)summary\.idx$/, 'ostree-summary-index'],
  [/\.tar-split(\.gz)?$/, 'tar-split'],
  [/\.(erofs|cfs)$/, 'erofs'],
  [/\.dump$/, 'dumpfile'],
];

/** OSTree files have no magic: strict parsers are tried, the most specific first. */
const BY_PARSER: readonly (readonly [FileFormat, (bytes: Uint8Array) => unknown])[] = [
  ['ostree-commit', parseCommit],
  ['ostree-delta', parseDelta],
  ['ostree-filez', parseFilez],
  ['ostree-dirmeta', (bytes) => parseDirmeta(bytes)],
  ['ostree-dirtree', parseDirtree],
  ['ostree-summary', parseSummary],
  ['ostree-summary-index', parseSummaryIndex],
  ['ostree-metadata', (bytes) => parseMetadataDict(bytes, 'metadata')],
];

/** The format of a file: by its magic, by the extension of its name, or by the parser that accepts it. Undefined for an unknown format. */
export function detectFormat(bytes: Uint8Array, name: string): FileFormat | undefined {
  return byMagic(bytes) ?? BY_NAME.find(([pattern]) => pattern.test(name))?.[1] ?? byParser(bytes);
}

function byMagic(bytes: Uint8Array): FileFormat | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = buffer.toString('latin1', 0, SPLITSTREAM_MAGIC_END);
  if (head.includes(SPLITSTREAM_MAGIC)) return 'splitstream';
  if (head.startsWith(SIGNED_DELTA_MAGIC)) return 'ostree-delta';
  const hasSuper = buffer.length >= EROFS_SUPER_OFFSET + 4;
  if (hasSuper && buffer.readUInt32LE(EROFS_SUPER_OFFSET) === EROFS_MAGIC) return 'erofs';
  if (/^\/ \d+ 0?4\d{4,} /.test(head)) return 'dumpfile';
  if (head.startsWith('{"type":2,"payload":')) return 'tar-split';
  const tail = bytes.subarray(-FOOTER_TAIL_BYTES);
  const footer = parseChunkedFooter(tail) ?? parseStargzFooter(tail);
  if (footer !== undefined) return 'chunked-layer';
  return undefined;
}

function byParser(bytes: Uint8Array): FileFormat | undefined {
  return BY_PARSER.find(([, parse]) => accepts(parse, bytes))?.[0];
}

function accepts(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    parse(bytes);
    return true;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return false;
  }
}
