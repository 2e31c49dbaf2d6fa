import { type ByteString, byteStringFromText, byteStringOf, bytesOf } from '#base/bytes';
import { FormatError } from '#base/errors';
import { encodeGoString, utf8Text } from './go-json.ts';
import { CRC_BYTES, RECORD_TYPE } from './layout.ts';

/** One record of a tar-split: bytes of the tar, or the position of a file's content. */
export type TarSplitRecord =
  | { readonly kind: 'segment'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly name: ByteString;
      /** Bytes of content; 0 for an entry without content. */
      readonly sizeBytes: number;
      /** CRC-64/ISO of the content, 8 bytes big-endian; undefined for an entry without content. */
      readonly crc: Uint8Array | undefined;
    };

const SEGMENT_HEAD = Buffer.from(`{"type":${RECORD_TYPE.segment},"payload":"`, 'latin1');
const SEGMENT_TAIL = /^","position":(?:0|[1-9][0-9]*)\}$/;

/** Longer file records, in bytes, have names that are no paths of this kernel. */
const PLAIN_FILE_BYTES_MAX = 8192;
const PLAIN_FILE =
  /^\{"type":1,"name":"([ !#-[\]-~]*)"(?:,"size":([1-9][0-9]{0,14}))?,"payload":(?:null|"([A-Za-z0-9+/]{11}=)"),"position":(?:0|[1-9][0-9]*)\}$/;

/** Refuses a tar-split; `offset` counts from its first byte. */
export function failTarSplit(what: string, offset: number, reason: string): never {
  throw new FormatError(
    'TAR_SPLIT_INVALID',
    `Cannot read tar-split: ${what} at ${offset}: ${reason}`,
    { offset, what, reason },
  );
}

/**
 * Encodes one record as a JSON line, newline included. Keys and escapes are those of Go's encoder.
 * Source: vbatts/tar-split 0.11, tar/storage/entry.go.
 */
export function encodeTarSplitRecord(record: TarSplitRecord, position: number): string {
  if (record.kind === 'segment') {
    const payload = base64(record.bytes);
    return `{"type":${RECORD_TYPE.segment},"payload":"${payload}","position":${position}}\n`;
  }
  const text = utf8Text(record.name);
  const name =
    text === undefined
      ? `"name_raw":"${base64(bytesOf(record.name))}"`
      : `"name":${encodeGoString(text)}`;
  const size = record.sizeBytes === 0 ? '' : `,"size":${record.sizeBytes}`;
  const payload = record.crc === undefined ? 'null' : `"${base64(record.crc)}"`;
  return `{"type":${RECORD_TYPE.file},${name}${size},"payload":${payload},"position":${position}}\n`;
}

/**
 * Parses one line. The position in it is ignored, as upstream does.
 * @throws FormatError TAR_SPLIT_INVALID
 */
export function parseTarSplitRecord(line: Uint8Array, offset: number): TarSplitRecord {
  const plain = plainSegment(line) ?? plainFile(line);
  if (plain !== undefined) return plain;
  const fields = fieldsOf(line, offset);
  const { type } = fields;
  if (type === RECORD_TYPE.segment) {
    return { kind: 'segment', bytes: bytesField(fields, 'payload', offset) ?? Buffer.alloc(0) };
  }
  if (type !== RECORD_TYPE.file) {
    return failTarSplit('record type', offset, `expected 1 or 2, found ${JSON.stringify(type)}`);
  }
  const crc = bytesField(fields, 'payload', offset);
  if (crc !== undefined && crc.length !== CRC_BYTES) {
    failTarSplit('checksum', offset, `expected ${CRC_BYTES} bytes, found ${crc.length}`);
  }
  return { kind: 'file', name: nameOf(fields, offset), sizeBytes: sizeOf(fields, offset), crc };
}

/** A segment in the form of all writers, in which half of the lines are. JSON.parse reads the same, at several times the cost. */
function plainSegment(line: Uint8Array): TarSplitRecord | undefined {
  const text = Buffer.from(line.buffer, line.byteOffset, line.length);
  for (let at = 0; at < SEGMENT_HEAD.length; at += 1) {
    if (text[at] !== SEGMENT_HEAD[at]) return undefined;
  }
  const end = text.indexOf(0x22, SEGMENT_HEAD.length);
  if (end < 0 || !SEGMENT_TAIL.test(text.toString('latin1', end))) return undefined;
  const bytes = decodeBase64(text.toString('latin1', SEGMENT_HEAD.length, end));
  return bytes === undefined ? undefined : { kind: 'segment', bytes };
}

/** A file in the form of all writers, with a name of printable ASCII without escapes. */
function plainFile(line: Uint8Array): TarSplitRecord | undefined {
  if (line.length > PLAIN_FILE_BYTES_MAX) return undefined;
  const text = Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1');
  const match = PLAIN_FILE.exec(text);
  if (match === null) return undefined;
  const [, name = '', size = '0', sum] = match;
  const crc = sum === undefined ? undefined : decodeBase64(sum);
  return { kind: 'file', name: name as ByteString, sizeBytes: Number(size), crc };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(line: Uint8Array, offset: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8'));
  } catch {
    failTarSplit('record', offset, 'expected a JSON object on a line, found other bytes');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    failTarSplit('record', offset, 'expected a JSON object, found another value');
  }
  return value as Fields;
}

function nameOf(fields: Fields, offset: number): ByteString {
  const raw = bytesField(fields, 'name_raw', offset);
  if (raw !== undefined && raw.length > 0) return byteStringOf(raw);
  const name = fields['name'] ?? '';
  if (typeof name !== 'string')
    failTarSplit('name', offset, 'expected a string, found another value');
  return byteStringFromText(name);
}

function sizeOf(fields: Fields, offset: number): number {
  const size = fields['size'] ?? 0;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    failTarSplit('size', offset, `expected 0 to 2^53 - 1, found ${JSON.stringify(size)}`);
  }
  return size;
}

/** Decodes a base64 field; only the canonical encoding is accepted. Undefined when absent or null. */
function bytesField(fields: Fields, key: string, offset: number): Uint8Array | undefined {
  const text = fields[key] ?? undefined;
  if (text === undefined) return undefined;
  if (typeof text !== 'string') failTarSplit(key, offset, 'expected a string, found another value');
  const bytes = decodeBase64(text);
  return bytes ?? failTarSplit(key, offset, 'expected padded base64, found other characters');
}

function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const isPadded = text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding;
  return isPadded ? bytes : undefined;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
