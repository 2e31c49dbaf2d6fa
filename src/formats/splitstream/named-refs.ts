import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import { inflateRange } from './body-decoder.ts';
import { NAMED_REFS_BYTES_MAX } from './layout.ts';
import type { Range } from './range.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function fail(offset: number, reason: string): never {
  throw new FormatError(
    'SPLITSTREAM_NAMED_REF_INVALID',
    `Cannot read named refs of splitstream at ${offset}: ${reason}`,
    { offset, what: 'named refs', reason },
  );
}

/**
 * Reads the named-ref table: records `index:name` that end in NUL. The last record of a name wins. Names may contain colons.
 * @throws FormatError SPLITSTREAM_NAMED_REF_INVALID, SPLITSTREAM_TABLE_TOO_LARGE, SPLITSTREAM_COMPRESSION, SPLITSTREAM_TRUNCATED
 */
export function parseNamedRefs(
  reader: RandomReader,
  range: Range,
  streamRefs: readonly ObjectId[],
): ReadonlyMap<string, ObjectId> {
  const table = readTable(reader, range);
  const refs = new Map<string, ObjectId>();
  for (let at = 0; at < table.length; ) {
    const end = table.indexOf(0, at);
    if (end < 0) fail(at, 'expected a NUL after the last record, found none');
    const [name, index] = parseRecord(table.subarray(at, end), at);
    const id = streamRefs[index];
    if (id === undefined) fail(at, `expected an index below ${streamRefs.length}, found ${index}`);
    refs.set(name, id);
    at = end + 1;
  }
  return refs;
}

function readTable(reader: RandomReader, range: Range): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (const piece of inflateRange(reader, range, NAMED_REFS_BYTES_MAX)) {
    length += piece.length;
    if (length > NAMED_REFS_BYTES_MAX) {
      throw new FormatError(
        'SPLITSTREAM_TABLE_TOO_LARGE',
        `Cannot read named refs of splitstream: expected at most ${NAMED_REFS_BYTES_MAX} bytes, found more`,
        { offset: range.start, what: range.what, limit: NAMED_REFS_BYTES_MAX },
      );
    }
    pieces.push(new Uint8Array(piece));
  }
  return Buffer.concat(pieces);
}

function parseRecord(record: Uint8Array, offset: number): [name: string, index: number] {
  let text: string;
  try {
    text = UTF8.decode(record);
  } catch {
    return fail(offset, 'expected UTF-8, found other bytes');
  }
  const colon = text.indexOf(':');
  if (colon < 0) fail(offset, 'expected a colon after the index, found none');
  const digits = text.slice(0, colon);
  const index = Number(digits);
  if (!/^\+?[0-9]+$/.test(digits) || !Number.isSafeInteger(index)) {
    fail(offset, `expected a decimal index, found ${JSON.stringify(digits.slice(0, 40))}`);
  }
  return [text.slice(colon + 1), index];
}
