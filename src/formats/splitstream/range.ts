import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';

/** A half-open section of the file, and its name for messages. */
export interface Range {
  readonly start: number;
  readonly end: number;
  readonly what: string;
}

/** Refuses a section that reaches past the end before anything is allocated. @throws FormatError SPLITSTREAM_TRUNCATED */
export function checkInFile(reader: RandomReader, range: Range): void {
  if (range.end <= reader.sizeBytes) return;
  throw truncated(range.what, range.start, range.end - range.start, reader.sizeBytes - range.start);
}

/** Reads the bytes of a section. @throws FormatError SPLITSTREAM_TRUNCATED */
export function readRange(reader: RandomReader, range: Range): Uint8Array<ArrayBuffer> {
  checkInFile(reader, range);
  const bytes = new Uint8Array(range.end - range.start);
  fillRange(reader, range, bytes);
  return bytes;
}

/** Reads a section into a buffer of its length. @throws FormatError SPLITSTREAM_TRUNCATED */
export function fillRange(reader: RandomReader, { start, what }: Range, into: Uint8Array): void {
  let at = 0;
  while (at < into.length) {
    const got = reader.read(start + at, into.subarray(at));
    if (got === 0) throw truncated(what, start, into.length, at);
    at += got;
  }
}

/** Returns the error for a truncated structure. */
export function truncated(what: string, offset: number, expected: number, found: number) {
  const there = Math.max(found, 0);
  return new FormatError(
    'SPLITSTREAM_TRUNCATED',
    `Cannot read splitstream: ${what} at ${offset}: expected ${expected} bytes, found ${there}`,
    { offset, what, expected, found: there },
  );
}

/** Codes with the details offset, what and reason. */
export type SplitstreamFault =
  | 'SPLITSTREAM_ALGORITHM'
  | 'SPLITSTREAM_BLOCK_SIZE'
  | 'SPLITSTREAM_BODY_TOO_LARGE'
  | 'SPLITSTREAM_CONTENT_TYPE'
  | 'SPLITSTREAM_EXTERNAL_UNEXPECTED'
  | 'SPLITSTREAM_INFO_TOO_SHORT'
  | 'SPLITSTREAM_MAGIC'
  | 'SPLITSTREAM_RANGE'
  | 'SPLITSTREAM_RECORD_SPLIT'
  | 'SPLITSTREAM_REF_INDEX'
  | 'SPLITSTREAM_TABLE_SIZE'
  | 'SPLITSTREAM_VERSION';
