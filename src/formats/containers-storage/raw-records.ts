import { FormatError } from '#base/errors';
import { RECORDS_BYTES_MAX, RECORDS_MAX } from './layout.ts';

/** One element of the array, as its text and as a value; the value is undefined if the text is not a JSON object. */
export interface RawRecord {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>> | undefined;
}

/** The records of a file, and whether the file was complete. */
export interface RawRecords {
  readonly records: readonly RawRecord[];
  /** An error of the file, apart from errors in single records; undefined for a valid file. */
  readonly problem: string | undefined;
}

/**
 * Splits an array of JSON objects without changing their texts. Unknown members survive when the file is written again, and one damaged record
 * does not hide the others. An empty file and `null` contain no records.
 * @throws FormatError CONTAINERS_RECORDS_INVALID for a file that is too large, has too many records or is not an array
 */
export function splitRecords(bytes: Uint8Array, what: string): RawRecords {
  if (bytes.length > RECORDS_BYTES_MAX) {
    fail(what, `at most ${RECORDS_BYTES_MAX} bytes`, `${bytes.length}`);
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').trim();
  if (text === '' || text === 'null') return { records: [], problem: undefined };
  if (!text.startsWith('[')) fail(what, 'an array', JSON.stringify(text.slice(0, 20)));
  const { parts, isClosed } = splitArray(text);
  if (parts.length > RECORDS_MAX) fail(what, `at most ${RECORDS_MAX} records`, `${parts.length}`);
  const records = parts.map((part) => ({ text: part, value: objectOf(part) }));
  return { records, problem: isClosed ? undefined : 'the array does not end' };
}

/** Joins the texts of records into a file. */
export function joinRecords(texts: readonly string[]): Uint8Array {
  return Buffer.from(`[${texts.join(',')}]`, 'utf8');
}

const CODE = { quote: 0x22, backslash: 0x5c, comma: 0x2c } as const;

/** The elements between the commas of the outermost array. */
function splitArray(text: string): { parts: string[]; isClosed: boolean } {
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  const end = (at: number) => {
    const part = text.slice(start, at).trim();
    if (part !== '') parts.push(part);
    start = at + 1;
  };
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === CODE.quote) {
      for (at += 1; at < text.length && text.charCodeAt(at) !== CODE.quote; at += 1) {
        if (text.charCodeAt(at) === CODE.backslash) at += 1;
      }
    } else if (code === CODE.comma) {
      if (depth === 1) end(at);
    } else if (text[at] === '[' || text[at] === '{') depth += 1;
    else if (text[at] === ']' || text[at] === '}') {
      depth -= 1;
      if (depth > 0) continue;
      end(at);
      return { parts, isClosed: at === text.length - 1 };
    }
  }
  end(text.length);
  return { parts, isClosed: false };
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function fail(what: string, expected: string, found: string): never {
  throw new FormatError(
    'CONTAINERS_RECORDS_INVALID',
    `Cannot read "${what}": expected ${expected}, found ${found}`,
    { offset: 0, what, expected, found },
  );
}
