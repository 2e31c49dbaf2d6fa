// Invariant: any bytes, as a file, a body or a table of names, give a value or a FormatError; what is read can be written and read again.
import assert from 'node:assert/strict';
import { zstdCompressSync } from 'node:zlib';
import { concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import {
  openSplitstream,
  type Splitstream,
  SplitstreamRecords,
  SplitstreamWriter,
} from '#formats/splitstream';

/** Name of the target and of its folder of inputs. */
export const name = 'splitstream';

/** Objects in the tables of the files that `run` builds around its input. */
const REFS = 3;

/** Reads the bytes as a whole file, as a decompressed body, and as a decompressed table of names. */
export function run(bytes: Uint8Array): void {
  guarded(() => check(bytes, 'sha256'));
  guarded(() => check(bytes, 'sha512'));
  const nothing = new Uint8Array(0);
  guarded(() => check(fileOf(bytes, nothing), 'sha256'));
  guarded(() => check(fileOf(nothing, bytes), 'sha256'));
}

/** A small and a large stream with everything in them. */
export function seeds(): Uint8Array[] {
  return (['sha256', 'sha512'] as const).flatMap((algorithm) => {
    const id = (fill: string) => fill.repeat(algorithm === 'sha256' ? 32 : 64) as ObjectId;
    const writer = new SplitstreamWriter({ algorithm, contentType: 7n });
    writer.addNamedRef('config:sha256:ab', id('01'));
    writer.addNamedRef('layer', id('02'));
    for (let index = 0; index < 40; index += 1) {
      writer.writeInline(Buffer.from(`header ${index}`));
      writer.writeExternal(id(`${10 + index}`), index * 100);
    }
    const body = concatBytes([int64(-5), Buffer.from('hello'), int64(0), int64(2)]);
    return [writer.finishSync(), body, Buffer.from('0:a\x001:b:c\0')];
  });
}

function check(bytes: Uint8Array, algorithm: VerityAlgorithm): void {
  const stream = openSplitstream(bytes, { algorithm });
  const writer = new SplitstreamWriter({ algorithm, contentType: stream.contentType });
  let inlineBytes = 0;
  for (const part of stream.parts()) {
    if (part.kind === 'inline') {
      inlineBytes += part.bytes.length;
      writer.writeInline(part.bytes);
    } else {
      assert.equal(stream.objectRefs[part.index], part.id);
      writer.writeExternal(part.id, 0);
    }
  }
  assert.ok(inlineBytes <= stream.sizeBytes);
  for (const [ref, id] of stream.namedRefs) writer.addNamedRef(ref, id);
  const again = openSplitstream(writer.finishSync(), { algorithm });
  assert.deepEqual(shape(again), shape(stream));
  assert.deepEqual(new Map(again.namedRefs), new Map(stream.namedRefs));
  readRecords(stream);
}

/** The chunks as text, adjacent inline ones joined as the writer must join them. */
function shape(stream: Splitstream): string {
  let text = '';
  for (const part of stream.parts()) {
    text += part.kind === 'inline' ? Buffer.from(part.bytes).toString('hex') : `<${part.id}>`;
  }
  return text;
}

function readRecords(stream: Splitstream): void {
  const records = new SplitstreamRecords(stream.parts());
  guarded(() => {
    while (records.readInlineExact(3) !== undefined) records.readExact(5, 8);
  });
}

/** A valid file around any body and table of names. */
function fileOf(body: Uint8Array, names: Uint8Array): Uint8Array {
  const refs = Buffer.alloc(32 * REFS, 0xab);
  const tables = [refs, refs, zstdCompressSync(names), zstdCompressSync(body)];
  const head = Buffer.alloc(112);
  head.write('SplitStream', 0);
  head.set([1, 12], 14);
  head.writeBigUInt64LE(32n, 16);
  head.writeBigUInt64LE(112n, 24);
  head.writeBigUInt64LE(BigInt(body.length), 104);
  let at = 112;
  // In the file: stream refs, object refs, names, body; in the info section the body comes before the names.
  for (const [index, offset] of [32, 48, 80, 64].entries()) {
    head.writeBigUInt64LE(BigInt(at), offset);
    at += tables[index]?.length ?? 0;
    head.writeBigUInt64LE(BigInt(at), offset + 8);
  }
  return concatBytes([head, ...tables]);
}

function int64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function guarded(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
