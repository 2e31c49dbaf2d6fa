import { ENTRY_KEYS, type RawTocEntry, type TocKey } from './entry-keys.ts';

const KEYS = ENTRY_KEYS.map((key) => Buffer.from(`"${key}":`, 'latin1'));
/** The key whose value is an object; entries with it are not plain. */
const XATTRS = ENTRY_KEYS.indexOf('xattrs');
/** Numbers with more digits are not plain, so that every plain number is exact. */
const DIGITS_MAX = 15;
const [QUOTE, COMMA, ZERO, NINE, BACKSLASH, OPEN, CLOSE] = [
  0x22, 0x2c, 0x30, 0x39, 0x5c, 0x7b, 0x7d,
];

/**
 * Reads entries in the form that all writers use for most entries: known keys in the usual order, each once, numbers of digits, printable
 * ASCII without escapes, no blanks, no attributes. JSON.parse reads the same from them, at several times the cost.
 */
export class PlainEntryReader {
  readonly #values: (string | number | undefined)[] = new Array(ENTRY_KEYS.length).fill(undefined);
  readonly #entry: Record<TocKey, unknown> = {
    type: undefined,
    name: undefined,
    linkName: undefined,
    mode: undefined,
    size: undefined,
    uid: undefined,
    gid: undefined,
    modtime: undefined,
    accesstime: undefined,
    changetime: undefined,
    devMajor: undefined,
    devMinor: undefined,
    xattrs: undefined,
    digest: undefined,
    offset: undefined,
    endOffset: undefined,
    chunkSize: undefined,
    chunkOffset: undefined,
    chunkDigest: undefined,
    chunkType: undefined,
    innerOffset: undefined,
  };
  #end = 0;

  /** Offset behind the entry that was read last. */
  get end(): number {
    return this.#end;
  }

  /** The entry at an offset, valid until the next call; undefined when it has another form, or does not end in these bytes. */
  read(bytes: Buffer, from: number): RawTocEntry | undefined {
    const values = this.#values.fill(undefined);
    if (bytes[from] !== OPEN) return undefined;
    let at = from + 1;
    for (let key = 0; ; key += 1) {
      while (key < KEYS.length && !startsWith(bytes, at, KEYS[key] as Buffer)) key += 1;
      if (key === KEYS.length || key === XATTRS) return undefined;
      at += (KEYS[key] as Buffer).length;
      const end = bytes[at] === QUOTE ? endOfText(bytes, at + 1) : endOfNumber(bytes, at);
      if (end < 0) return undefined;
      if (bytes[at] === QUOTE) {
        values[key] = bytes.toString('latin1', at + 1, end);
        at = end + 1;
      } else {
        values[key] = numberAt(bytes, at, end);
        at = end;
      }
      if (bytes[at] === CLOSE) break;
      if (bytes[at] !== COMMA) return undefined;
      at += 1;
    }
    this.#end = at + 1;
    return this.#fill();
  }

  #fill(): RawTocEntry {
    const [entry, values] = [this.#entry, this.#values];
    entry.type = values[0];
    entry.name = values[1];
    entry.linkName = values[2];
    entry.mode = values[3];
    entry.size = values[4];
    entry.uid = values[5];
    entry.gid = values[6];
    entry.modtime = values[7];
    entry.accesstime = values[8];
    entry.changetime = values[9];
    entry.devMajor = values[10];
    entry.devMinor = values[11];
    entry.digest = values[13];
    entry.offset = values[14];
    entry.endOffset = values[15];
    entry.chunkSize = values[16];
    entry.chunkOffset = values[17];
    entry.chunkDigest = values[18];
    entry.chunkType = values[19];
    entry.innerOffset = values[20];
    return entry;
  }
}

function startsWith(bytes: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let index = 0; index < key.length; index += 1) {
    if (bytes[at + index] !== key[index]) return false;
  }
  return true;
}

/** Offset of the quote that ends a text; -1 when a byte before it is not plain. */
function endOfText(bytes: Uint8Array, from: number): number {
  for (let at = from; ; at += 1) {
    const code = bytes[at];
    if (code === QUOTE) return at;
    if (code === undefined || code < 0x20 || code > 0x7e || code === BACKSLASH) return -1;
  }
}

/** Offset behind the digits of a number; -1 when there is none, or it is not plain. */
function endOfNumber(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let code = bytes[at]; code !== undefined && code >= ZERO && code <= NINE; code = bytes[at])
    at += 1;
  const digits = at - from;
  const hasLeadingZero = bytes[from] === ZERO && digits > 1;
  return digits === 0 || digits > DIGITS_MAX || hasLeadingZero ? -1 : at;
}

function numberAt(bytes: Uint8Array, from: number, end: number): number {
  let number = 0;
  for (let at = from; at < end; at += 1) number = 10 * number + (bytes[at] as number) - ZERO;
  return number;
}
