import type { SparseRun, TarSparse } from './entry.ts';
import { failTar } from './fault.ts';
import type { HeaderBlock } from './header.ts';
import { GNU_SPARSE, SPARSE_MAP_BYTES_MAX, SPARSE_RUNS_MAX, TAR_BLOCK_BYTES } from './layout.ts';
import { type PaxOverrides, paxNumber } from './pax.ts';

/** Builds a sparse map. Source: GNU tar manual, "Storing Sparse Files". */
export class SparseMapBuilder {
  readonly realSizeBytes: number;
  readonly #runs: SparseRun[] = [];
  readonly #offset: number;
  #dataBytes = 0;
  #end = 0;
  #count = 0;

  /** `offset` is the offset of the member in the tar, for messages. */
  constructor(realSizeBytes: number, offset: number) {
    this.realSizeBytes = realSizeBytes;
    this.#offset = offset;
  }

  /** Adds a run; empty runs, which mark the end of a file, are verified and omitted. @throws FormatError TAR_SPARSE_INVALID */
  add(offset: number, sizeBytes: number): void {
    this.#count += 1;
    if (this.#count > SPARSE_RUNS_MAX) {
      failSparse(this.#offset, `expected at most ${SPARSE_RUNS_MAX} runs, found more`);
    }
    if (offset < this.#end || offset + sizeBytes > this.realSizeBytes) {
      const reason = `expected a run within ${this.#end} to ${this.realSizeBytes}, found ${offset} + ${sizeBytes}`;
      failSparse(this.#offset, reason);
    }
    this.#end = offset + sizeBytes;
    this.#dataBytes += sizeBytes;
    if (sizeBytes > 0) this.#runs.push({ offset, sizeBytes });
  }

  /** Returns the map of a member that stores `dataBytes` bytes. @throws FormatError TAR_SPARSE_INVALID */
  finish(dataBytes: number, mapBytes: number): TarSparse {
    if (this.#dataBytes !== dataBytes) {
      const reason = `expected runs of ${dataBytes} bytes together, found ${this.#dataBytes}`;
      failSparse(this.#offset, reason);
    }
    return { realSizeBytes: this.realSizeBytes, map: this.#runs, mapBytes };
  }
}

/** Refuses a sparse member. */
export function failSparse(offset: number, reason: string): never {
  return failTar('TAR_SPARSE_INVALID', 'sparse map', offset, reason);
}

/** Adds the runs of an old GNU header or extension block; an empty slot ends them. Returns whether another block follows. */
export function addGnuRuns(map: SparseMapBuilder, block: HeaderBlock, extended: boolean): boolean {
  const first = extended ? 0 : GNU_SPARSE.runs;
  const count = extended ? GNU_SPARSE.extendedRunCount : GNU_SPARSE.runCount;
  for (let index = 0; index < count; index += 1) {
    const at = first + index * GNU_SPARSE.runBytes;
    if (block.bytes[at] === 0) break;
    const offset = block.numberAt(at, 12, 'sparse offset');
    map.add(offset, block.numberAt(at + 12, 12, 'sparse size'));
  }
  return block.bytes[extended ? GNU_SPARSE.extendedIsExtended : GNU_SPARSE.isExtended] !== 0;
}

/** Result of the `GNU.sparse.*` records of a PAX header: a map in the records, or a map at the start of the payload. */
export interface PaxSparse {
  readonly map: SparseMapBuilder;
  readonly mapInPayload: boolean;
  readonly name: string | undefined;
}

/**
 * Reads the records of the three PAX sparse forms 0.0, 0.1 and 1.0.
 * @throws FormatError TAR_SPARSE_INVALID, TAR_PAX_MALFORMED
 */
export function parsePaxSparse(pax: PaxOverrides, offset: number): PaxSparse | undefined {
  const records = pax.sparse;
  if (records === undefined) return undefined;
  const last = new Map(records);
  const inPayload = last.get('major') === '1' && last.get('minor') === '0';
  if (!inPayload && last.has('major') && last.get('major') !== '0') {
    failSparse(offset, `expected version 1.0, found ${last.get('major')}.${last.get('minor')}`);
  }
  const size = last.get('realsize') ?? last.get('size');
  if (size === undefined) failSparse(offset, 'expected a real size, found none');
  const map = new SparseMapBuilder(paxNumber(size, 'sparse size', offset), offset);
  if (!inPayload) addPaxRuns(map, records, offset);
  return { map, mapInPayload: inPayload, name: last.get('name') };
}

function addPaxRuns(map: SparseMapBuilder, records: [string, string][], offset: number): void {
  const numbers: number[] = [];
  for (const [key, value] of records) {
    if (key === 'map') {
      for (const text of value.split(',')) numbers.push(paxNumber(text, 'sparse map', offset));
    } else if (key === 'offset' || key === 'numbytes') {
      const expected = numbers.length % 2 === 0 ? 'offset' : 'numbytes';
      if (key !== expected) failSparse(offset, `expected ${expected}, found ${key}`);
      numbers.push(paxNumber(value, key, offset));
    }
  }
  addPairs(map, numbers, offset);
}

function addPairs(map: SparseMapBuilder, numbers: readonly number[], offset: number): void {
  if (numbers.length % 2 !== 0)
    failSparse(offset, 'expected pairs of offset and size, found an odd count');
  for (let index = 0; index < numbers.length; index += 2) {
    map.add(numbers[index] ?? 0, numbers[index + 1] ?? 0);
  }
}

/** Reads the decimal lines at the start of a PAX 1.0 payload, block by block. */
export class PayloadMapReader {
  readonly #map: SparseMapBuilder;
  readonly #offset: number;
  readonly #numbers: number[] = [];
  #line = '';
  /** Bytes of the blocks read. */
  mapBytes = 0;

  constructor(map: SparseMapBuilder, offset: number) {
    this.#map = map;
    this.#offset = offset;
  }

  /** Reads one block; true when the map is complete and data follows. @throws FormatError TAR_SPARSE_INVALID, TAR_PAX_MALFORMED */
  take(block: Buffer): boolean {
    this.mapBytes += TAR_BLOCK_BYTES;
    if (this.mapBytes > SPARSE_MAP_BYTES_MAX) {
      failSparse(
        this.#offset,
        `expected a map of at most ${SPARSE_MAP_BYTES_MAX} bytes, found more`,
      );
    }
    for (const byte of block) {
      if (byte !== 0x0a) {
        if (this.#line.length >= 20)
          failSparse(this.#offset, 'expected a decimal line, found a longer one');
        this.#line += String.fromCharCode(byte);
        continue;
      }
      this.#numbers.push(paxNumber(this.#line, 'sparse map', this.#offset));
      this.#line = '';
      if (this.#isComplete()) {
        addPairs(this.#map, this.#numbers.slice(1), this.#offset);
        return true;
      }
    }
    return false;
  }

  #isComplete(): boolean {
    const count = this.#numbers[0] ?? 0;
    if (count > SPARSE_RUNS_MAX) {
      failSparse(this.#offset, `expected at most ${SPARSE_RUNS_MAX} runs, found ${count}`);
    }
    return this.#numbers.length === count * 2 + 1;
  }
}
