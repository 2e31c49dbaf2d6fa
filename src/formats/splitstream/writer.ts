import assert from 'node:assert';
import { concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { atOnce, inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  ALGORITHMS,
  objectIdBytes,
  VERITY_BLOCK_BITS,
  type VerityAlgorithm,
} from '#formats/fsverity';
import { type BodyEncoder, createBodyEncoder } from './body-encoder.ts';
import { InlineRun } from './inline-run.ts';
import {
  CHUNK_HEADER_BYTES,
  HEADER,
  HEADER_BYTES,
  INFO,
  INFO_BYTES,
  MAGIC,
  REFS_MAX,
  VERSION,
} from './layout.ts';

/** Bytes that are compressed in a step. */
const STEP_BYTES = 1 << 20;

/** Options of a new splitstream. */
export interface SplitstreamWriterOptions {
  readonly algorithm: VerityAlgorithm;
  /** One of CONTENT_TYPES, or any unsigned 64-bit number. */
  readonly contentType: bigint;
}

/**
 * Builds one splitstream in memory. The body is compressed as it grows: memory is the compressed bytes plus the current run of
 * inline bytes, compressed too (its length is written before it). The same content produces the same bytes, however inline bytes
 * are divided among calls. Disposing an abandoned writer frees its compressor.
 */
export class SplitstreamWriter implements Disposable {
  readonly #algorithm: VerityAlgorithm;
  readonly #contentType: bigint;
  readonly #streamRefs = new Map<ObjectId, number>();
  readonly #objectRefs = new Map<ObjectId, number>();
  readonly #namedRefs = new Map<string, number>();
  readonly #body: BodyEncoder;
  readonly #chunkHeader = Buffer.alloc(CHUNK_HEADER_BYTES);
  readonly #run = new InlineRun();
  #sizeBytes = 0;

  constructor(options: SplitstreamWriterOptions, body = createBodyEncoder()) {
    this.#algorithm = options.algorithm;
    this.#contentType = options.contentType;
    this.#body = body;
  }

  /** Size of the stream so far, external objects included, in bytes. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The objects referenced so far, in table order. */
  get objectRefs(): Iterable<ObjectId> {
    return this.#objectRefs.keys();
  }

  /**
   * Adds a named ref to another stream that this one depends on. The last ref of a name wins.
   * @throws FormatError SPLITSTREAM_NAMED_REF_INVALID when the name contains a NUL, SPLITSTREAM_TABLE_TOO_LARGE
   */
  addNamedRef(name: string, id: ObjectId): void {
    if (name.includes('\0')) {
      throw new FormatError(
        'SPLITSTREAM_NAMED_REF_INVALID',
        `Cannot write named ref ${JSON.stringify(name)}: expected no NUL, found one`,
        { offset: name.indexOf('\0'), what: 'named ref', reason: 'NUL in name' },
      );
    }
    this.#namedRefs.set(name, this.#index(this.#streamRefs, id));
  }

  /** Keeps an object alive without a reference in the body; returns its table index. @throws FormatError SPLITSTREAM_TABLE_TOO_LARGE */
  addObjectRef(id: ObjectId): number {
    return this.#index(this.#objectRefs, id);
  }

  /**
   * Appends bytes (copied); adjacent calls are merged into one chunk.
   * @throws FormatError SPLITSTREAM_INLINE_TOO_LARGE
   */
  writeInline(bytes: Uint8Array): void {
    this.#run.append(bytes);
    this.#sizeBytes += bytes.length;
  }

  /** Appends a whole object of `sizeBytes` bytes. @throws FormatError SPLITSTREAM_TABLE_TOO_LARGE */
  writeExternal(id: ObjectId, sizeBytes: number): void {
    const index = this.#index(this.#objectRefs, id);
    atOnce(this.#flushRun());
    this.#writeChunkHeader(index);
    this.#sizeBytes += sizeBytes;
  }

  /**
   * Returns the bytes of the splitstream object; the writer cannot be used afterwards. Yields to the event loop.
   * @throws the reason of the signal
   */
  async finish(options: Pick<OperationOptions, 'signal'> = {}): Promise<Uint8Array> {
    await inTurns(this.#flushRun(), options);
    const names = createBodyEncoder();
    names.write(this.#encodeNamedRefs());
    return this.#assemble(await names.finish(), await this.#body.finish());
  }

  /**
   * As `finish`, synchronous, for workers that block.
   * @throws UnsupportedError SPLITSTREAM_SYNC_UNAVAILABLE when this Node has no synchronous streaming zstd
   */
  finishSync(): Uint8Array {
    atOnce(this.#flushRun());
    const names = createBodyEncoder();
    names.write(this.#encodeNamedRefs());
    return this.#assemble(names.finishSync(), this.#body.finishSync());
  }

  [Symbol.dispose](): void {
    this.#body[Symbol.dispose]();
  }

  #index(table: Map<ObjectId, number>, id: ObjectId): number {
    const known = table.get(id);
    if (known !== undefined) return known;
    const isOwn = id.length === ALGORITHMS[this.#algorithm].digestBytes * 2;
    if (!isOwn) assert.fail('id of another algorithm');
    if (table.size >= REFS_MAX) {
      throw new FormatError(
        'SPLITSTREAM_TABLE_TOO_LARGE',
        `Cannot write splitstream: expected at most ${REFS_MAX} references, found one more`,
        { offset: table.size, what: 'reference table', limit: REFS_MAX },
      );
    }
    table.set(id, table.size);
    return table.size - 1;
  }

  *#flushRun(): Steps<void> {
    if (this.#run.sizeBytes === 0) return;
    this.#writeChunkHeader(-this.#run.sizeBytes);
    for (const piece of this.#run.take()) {
      for (let at = 0; at < piece.length; at += STEP_BYTES) {
        this.#body.write(piece.subarray(at, at + STEP_BYTES));
        yield;
      }
    }
  }

  #writeChunkHeader(value: number): void {
    this.#chunkHeader.writeBigInt64LE(BigInt(value));
    this.#body.write(this.#chunkHeader);
  }

  #encodeNamedRefs(): Uint8Array {
    const records = [...this.#namedRefs].map(([name, index]) => ({
      name: Buffer.from(name, 'utf8'),
      record: Buffer.from(`${index}:${name}\0`, 'utf8'),
    }));
    records.sort((a, b) => Buffer.compare(a.name, b.name));
    return concatBytes(records.map(({ record }) => record));
  }

  /** The concatenated digests, written in place: there may be tens of thousands. */
  #encodeIds(table: ReadonlyMap<ObjectId, number>): Uint8Array {
    const { digestBytes } = ALGORITHMS[this.#algorithm];
    const bytes = Buffer.alloc(table.size * digestBytes);
    for (const [id, index] of table) {
      const written = bytes.write(id, index * digestBytes, 'hex');
      if (written !== digestBytes) objectIdBytes(id); // Throws the specific error.
    }
    return bytes;
  }

  #assemble(namedRefs: Uint8Array, body: Uint8Array): Uint8Array {
    const sections = {
      streamRefs: this.#encodeIds(this.#streamRefs),
      objectRefs: this.#encodeIds(this.#objectRefs),
      namedRefs,
      body,
    };
    const head = Buffer.alloc(HEADER_BYTES + INFO_BYTES);
    head.write(MAGIC, HEADER.magic, 'latin1');
    head[HEADER.version] = VERSION;
    head[HEADER.algorithm] = ALGORITHMS[this.#algorithm].kernelId;
    head[HEADER.blockBits] = VERITY_BLOCK_BITS;
    head.writeBigUInt64LE(BigInt(HEADER_BYTES), HEADER.infoStart);
    head.writeBigUInt64LE(BigInt(head.length), HEADER.infoEnd);
    let at = head.length;
    for (const name of ['streamRefs', 'objectRefs', 'namedRefs', 'body'] as const) {
      head.writeBigUInt64LE(BigInt(at), HEADER_BYTES + INFO[name]);
      at += sections[name].length;
      head.writeBigUInt64LE(BigInt(at), HEADER_BYTES + INFO[name] + 8);
    }
    head.writeBigUInt64LE(BigInt.asUintN(64, this.#contentType), HEADER_BYTES + INFO.contentType);
    head.writeBigUInt64LE(BigInt(this.#sizeBytes), HEADER_BYTES + INFO.sizeBytes);
    const { streamRefs, objectRefs } = sections;
    return concatBytes([head, streamRefs, objectRefs, namedRefs, body]);
  }
}
