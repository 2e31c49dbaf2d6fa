import { gunzipSync } from 'node:zlib';
import { displayText } from '#base/bytes';
import { FormatError, type JsonValue } from '#base/errors';
import { inspectChunkedBlob, type TocEntry } from '#formats/chunked';
import { TarSplitReader, type TarSplitRecord } from '#formats/tar-split';
import type { Described } from './describe.ts';

const GZIP_MAGIC = 0x1f8b;
/** Largest tar-split that is decoded, uncompressed. */
const TAR_SPLIT_MAX_BYTES = 2 ** 29;

/**
 * A layer with a TOC, by its footer: its entries with their chunks; a TOC that a pull would not use is a finding.
 * @throws FormatError FORMAT_UNKNOWN when the blob has no such footer
 */
export function describeChunkedLayer(bytes: Uint8Array): Described {
  const found = inspectChunkedBlob(bytes);
  if (found === undefined) return refuse('layer with a TOC', 'a footer at its end');
  const { kind, tocDigest, toc, layer, fault } = found;
  return {
    document: {
      kind,
      tocDigest: tocDigest ?? null,
      tarSplitDigest: toc?.tarSplitDigest ?? null,
      members: layer?.memberCount ?? null,
      tarBytes: layer?.tarBytes ?? null,
      entries: toc?.entries.map(entryDocument) ?? null,
    },
    findings: fault === undefined ? [] : [fault],
  };
}

function entryDocument(entry: TocEntry): JsonValue {
  const { type, name, linkName, mode, sizeBytes, uid, gid, mtime, digest, chunks } = entry;
  return {
    type,
    name: displayText(name),
    ...(linkName === '' ? {} : { linkName: displayText(linkName) }),
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    mtimeSec: mtime === undefined ? null : String(mtime.sec),
    mtimeNsec: mtime?.nsec ?? null,
    ...(digest === undefined ? {} : { sizeBytes, digest }),
    ...(chunks.length === 0 ? {} : { chunks: chunks.map((chunk) => ({ ...chunk })) }),
  };
}

/**
 * A tar-split, plain or compressed with gzip as in containers-storage: its records, without the bytes of the segments.
 * @throws FormatError TAR_SPLIT_INVALID
 */
export function describeTarSplit(bytes: Uint8Array): Described {
  const lines = isGzip(bytes) ? gunzip(bytes) : bytes;
  const reader = new TarSplitReader();
  const records: JsonValue[] = [];
  let tarBytes = 0;
  for (const record of [...reader.push(lines), ...reader.end()]) {
    records.push(recordDocument(record));
    tarBytes += record.kind === 'segment' ? record.bytes.length : record.sizeBytes;
  }
  return { document: { tarBytes, records }, findings: [] };
}

function recordDocument(record: TarSplitRecord): JsonValue {
  if (record.kind === 'segment') return { kind: 'segment', sizeBytes: record.bytes.length };
  const { name, sizeBytes, crc } = record;
  const crc64 = crc === undefined ? {} : { crc64: Buffer.from(crc).toString('hex') };
  return { kind: 'file', name: displayText(name), sizeBytes, ...crc64 };
}

/** True when a file begins as gzip data does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length > 2 && (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0) === GZIP_MAGIC;
}

function gunzip(bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: TAR_SPLIT_MAX_BYTES });
  } catch (error) {
    return refuse('tar-split', `gzip data (${(error as Error).message})`);
  }
}

function refuse(what: string, expected: string): never {
  throw new FormatError(
    'FORMAT_UNKNOWN',
    `Cannot read file as ${what}: expected ${expected}, found none`,
    {
      offset: 0,
      what,
    },
  );
}
