import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteString, byteStringFromText } from '#base/bytes';
import { hasCode } from '#base/errors';
import { LITERAL_BYTES_MAX, NAME_BYTES_MAX } from './layout.ts';
import { SplitdirfdReader } from './reader.ts';
import { SplitdirfdWriter } from './writer.ts';

const NAME = 'usr/lib/\xe9' as ByteString;

function sample(): Buffer {
  const writer = new SplitdirfdWriter();
  return Buffer.concat([
    writer.structure(Buffer.from('head')),
    writer.structure(Buffer.from('er')),
    writer.inlineHead(3),
    Buffer.from('abc'),
    writer.inlineHead(0),
    writer.file(0, 0, NAME),
    writer.file(2 ** 33, 7, NAME),
    writer.structure(Buffer.from('end')),
    writer.end(),
  ]);
}

/** The records of a stream, with neighbouring pieces of structure joined. */
function read(bytes: Uint8Array, pieceBytes: number): string[] {
  const reader = new SplitdirfdReader();
  const found: string[] = [];
  let isStructure = false;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
    for (const record of reader.push(piece)) {
      const text =
        record.kind === 'file'
          ? `${record.sizeBytes} ${record.directory} ${record.name}`
          : Buffer.from(record.bytes).toString('latin1');
      if (isStructure && record.kind === 'structure') found.push(`${found.pop()}${text}`);
      else found.push(`${record.kind} ${text}`);
      isStructure = record.kind === 'structure';
    }
    piece.fill(0xff);
  }
  reader.end();
  return found;
}

test('a stream in pieces of any size gives the same chunks, and adjacent structure chunks are merged', () => {
  const bytes = sample();
  assert.equal(bytes.toString('hex', 0, 11), '0006000000686561646572');
  const expected = ['structure header', 'inline abc', `file ${2 ** 33} 7 ${NAME}`, 'structure end'];
  for (const pieceBytes of [1, 2, 3, 5, 16, 17, bytes.length]) {
    assert.deepEqual(read(bytes, pieceBytes), expected, `${pieceBytes}`);
  }
});

test('a stream that ends inside a chunk is refused at any cut', () => {
  const bytes = sample();
  const ends = new Set([0, 11, 19, 45, bytes.length]);
  for (let length = 0; length < bytes.length; length += 1) {
    const reading = () => read(bytes.subarray(0, length), 7);
    if (ends.has(length)) reading();
    else assert.throws(reading, (error) => hasCode(error, 'SPLIT_STREAM_INVALID'), `${length}`);
  }
});

test('tags, lengths, sizes and names outside the limits are refused before allocation', () => {
  const u32 = (value: number) => Buffer.from(new Uint32Array([value]).buffer);
  const u64 = (value: bigint) => Buffer.from(new BigUint64Array([value]).buffer);
  const file = (size: bigint, name: string | Buffer) => {
    const bytes = Buffer.from(name);
    return Buffer.concat([Buffer.from([2]), u64(size), u32(0), u32(bytes.length), bytes]);
  };
  for (const bytes of [
    Buffer.from([3, 0, 0, 0, 0]),
    Buffer.concat([Buffer.from([0]), u32(LITERAL_BYTES_MAX + 1)]),
    Buffer.concat([Buffer.from([1]), u32(0xffffffff)]),
    file(2n ** 53n, 'a'),
    file(2n ** 64n - 1n, 'a'),
    file(1n, 'a'.repeat(NAME_BYTES_MAX + 1)),
    ...['', '/a', '../a', 'a/../b', 'a/..', '..', 'a\0b'].map((name) => file(1n, name)),
  ]) {
    assert.throws(
      () => read(bytes, 4),
      (error) => hasCode(error, 'SPLIT_STREAM_INVALID'),
    );
  }
  for (const name of ['a', './a', 'a//b', 'a..b', '...'])
    assert.equal(read(file(1n, name), 4).length, 1);
  const writer = new SplitdirfdWriter();
  assert.throws(() => writer.inlineHead(LITERAL_BYTES_MAX + 1), RangeError);
  assert.throws(() => writer.file(1, 0, byteStringFromText('a'.repeat(5000))), RangeError);
});
