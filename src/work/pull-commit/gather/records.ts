import { crc32 } from 'node:zlib';
import { encodeHex } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';

/**
 * What a pull knows about one object of a commit: everything that the commit stream will need. Views into the bytes it
 * was decoded from.
 */
export type ObjectRecord =
  | {
      readonly kind: 'commit' | 'dirtree' | 'dirmeta';
      readonly checksum: OstreeChecksum;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'inline';
      readonly checksum: OstreeChecksum;
      /** Framed header as received. */
      readonly rawHeader: Uint8Array;
      readonly content: Uint8Array;
    }
  | {
      readonly kind: 'external';
      readonly checksum: OstreeChecksum;
      readonly rawHeader: Uint8Array;
      readonly id: ObjectId;
      readonly sizeBytes: number;
    };

/** Kinds by the number that stands for them in a record. */
const KINDS = ['commit', 'dirtree', 'dirmeta', 'inline', 'external'] as const;

/*
 * Layout of a record, little-endian: offset and size in bytes.
 *   0  4  length of what follows the check, kind included
 *   4  4  crc32 of what follows
 *   8  1  kind
 *   9  32 checksum
 *   41 4  length of the first part (metadata bytes, or framed header)
 *   45    first part, then the second: inline content, or the object id and its size (f64)
 */
const LENGTH_AT = 0;
const CHECK_AT = 4;
const KIND_AT = 8;
const CHECKSUM_AT = 9;
const FIRST_LENGTH_AT = 41;
const FIRST_AT = 45;
const CHECKSUM_BYTES = 32;
const SIZE_BYTES = 8;

/** The bytes of a record. */
export function encodeRecord(record: ObjectRecord): Uint8Array {
  const isFile = record.kind === 'inline' || record.kind === 'external';
  const first = isFile ? record.rawHeader : record.bytes;
  const second =
    record.kind === 'inline'
      ? record.content
      : record.kind === 'external'
        ? encodeExternal(record.id, record.sizeBytes)
        : new Uint8Array(0);
  const bytes = Buffer.allocUnsafe(FIRST_AT + first.length + second.length);
  bytes.writeUInt32LE(bytes.length - KIND_AT, LENGTH_AT);
  bytes[KIND_AT] = KINDS.indexOf(record.kind);
  bytes.write(record.checksum, CHECKSUM_AT, 'hex');
  bytes.writeUInt32LE(first.length, FIRST_LENGTH_AT);
  bytes.set(first, FIRST_AT);
  bytes.set(second, FIRST_AT + first.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(KIND_AT)), CHECK_AT);
  return bytes;
}

/**
 * Decodes records one after the other; ends at the first that is cut or damaged, as the end of a journal is after a crash.
 * Returns how many bytes were good.
 */
export function decodeRecords(bytes: Uint8Array, visit: (record: ObjectRecord) => void): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + FIRST_AT <= buffer.length) {
    const end = at + KIND_AT + buffer.readUInt32LE(at + LENGTH_AT);
    if (end > buffer.length || end < at + FIRST_AT) break;
    const body = buffer.subarray(at + KIND_AT, end);
    if (crc32(body) !== buffer.readUInt32LE(at + CHECK_AT)) break;
    const record = decodeRecord(buffer.subarray(at, end));
    if (record === undefined) break;
    visit(record);
    at = end;
  }
  return at;
}

function decodeRecord(bytes: Buffer): ObjectRecord | undefined {
  const kind = KINDS[bytes[KIND_AT] ?? KINDS.length];
  const firstEnd = FIRST_AT + bytes.readUInt32LE(FIRST_LENGTH_AT);
  if (kind === undefined || firstEnd > bytes.length) return undefined;
  const checksum = encodeHex(
    bytes.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES),
  ) as OstreeChecksum;
  const first = bytes.subarray(FIRST_AT, firstEnd);
  const second = bytes.subarray(firstEnd);
  if (kind === 'inline') return { kind, checksum, rawHeader: first, content: second };
  if (kind !== 'external') return { kind, checksum, bytes: first };
  if (second.length <= SIZE_BYTES) return undefined;
  const idBytes = second.length - SIZE_BYTES;
  return {
    kind,
    checksum,
    rawHeader: first,
    id: encodeHex(second.subarray(0, idBytes)) as ObjectId,
    sizeBytes: second.readDoubleLE(idBytes),
  };
}

function encodeExternal(id: ObjectId, sizeBytes: number): Uint8Array {
  const bytes = Buffer.alloc(id.length / 2 + SIZE_BYTES);
  bytes.write(id, 0, 'hex');
  bytes.writeDoubleLE(sizeBytes, id.length / 2);
  return bytes;
}
