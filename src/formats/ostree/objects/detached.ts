import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import {
  arrayOf,
  BYTES,
  encodeVariant,
  lookupVariant,
  parseVariant,
  VARIANT_DICT,
  type VariantDict,
  variantOf,
} from '#formats/gvariant';
import { CHECKSUM_BYTES } from '../layout.ts';
import { checksumOf, type ObjectKind, objectKindOf, requireMetadataSize } from './objects.ts';

/**
 * Parses an `a{sv}` file: detached metadata (`.commitmeta`), `summary.sig`, `summary.idx.sig` or a delta index.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_METADATA_TOO_LARGE
 */
export function parseMetadataDict(bytes: Uint8Array, what: string): VariantDict {
  requireMetadataSize(bytes, what);
  return parseVariant(bytes, VARIANT_DICT, { what });
}

/** The bytes of an `a{sv}` file. */
export function encodeMetadataDict(dict: VariantDict): Uint8Array {
  return encodeVariant(dict, VARIANT_DICT);
}

/**
 * The id of the deleted commit that a tombstone object represents.
 * @throws FormatError GVARIANT_NOT_NORMAL, OSTREE_METADATA_INVALID
 */
export function parseTombstone(bytes: Uint8Array): OstreeChecksum {
  const commit = lookupVariant(parseMetadataDict(bytes, 'tombstone'), 'commit', BYTES);
  const text = Buffer.from(commit ?? []).toString('latin1');
  if (!/^[0-9a-f]{64}\0$/.test(text)) {
    throw new FormatError(
      'OSTREE_METADATA_INVALID',
      `Cannot read tombstone: expected a commit of 64 hex digits and a NUL, found ${JSON.stringify(text.slice(0, 100))}`,
      { offset: 0, what: 'tombstone', found: text.slice(0, 100) },
    );
  }
  return parseOstreeChecksum(text.slice(0, 64));
}

/** The bytes of the tombstone of a commit. */
export function encodeTombstone(commit: OstreeChecksum): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(`${commit}\0`, 'latin1'));
  return encodeMetadataDict([['commit', variantOf(BYTES, bytes)]]);
}

/** Size of one object as stated by a commit that uses it; a hint for planning, not to be trusted. */
export interface ObjectSize {
  readonly checksum: OstreeChecksum;
  /** Bytes of the archived (compressed) object. */
  readonly archivedBytes: number;
  /** Bytes of the unpacked content; for a link, the length of its target. */
  readonly unpackedBytes: number;
  /** Undefined when an old writer omitted it. */
  readonly kind: ObjectKind | undefined;
}

const SIZES_TYPE = arrayOf(BYTES);

/**
 * The sizes in `ostree.sizes` of a commit made with `--generate-sizes`, or undefined.
 * Each is the checksum, two LEB128 sizes and the object kind. Source: OSTree spec 2.12.
 * @throws FormatError OSTREE_METADATA_INVALID
 */
export function objectSizesOf(metadata: VariantDict): ObjectSize[] | undefined {
  return lookupVariant(metadata, 'ostree.sizes', SIZES_TYPE)?.map(objectSizeOf);
}

function objectSizeOf(bytes: Uint8Array): ObjectSize {
  if (bytes.length < CHECKSUM_BYTES + 2) failSizes(`${bytes.length} bytes`);
  const checksum = checksumOf(bytes.subarray(0, CHECKSUM_BYTES), 'ostree.sizes');
  let at = CHECKSUM_BYTES;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = bytes[at++] ?? failSizes('a cut number');
      value += (byte % 128) * scale;
      if (byte < 128 && Number.isSafeInteger(value)) return value;
    }
    return failSizes('a number above 2^53');
  };
  const archivedBytes = varint();
  const unpackedBytes = varint();
  const kind = at < bytes.length ? objectKindOf(bytes[at] ?? 0) : undefined;
  return { checksum, archivedBytes, unpackedBytes, kind };
}

function failSizes(found: string): never {
  throw new FormatError(
    'OSTREE_METADATA_INVALID',
    `Cannot read ostree.sizes: expected a checksum, two sizes and a kind, found ${found}`,
    { offset: 0, what: 'ostree.sizes', found },
  );
}
