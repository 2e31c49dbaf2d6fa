import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { computeContentDigest, parseObjectId } from '#base/digest';
import type { ChunkedFile } from '#formats/chunked';
import { WantedContents } from '../wanted.ts';
import { type IndexedObjects, IndexWriter, scanIndex } from './index-file.ts';

const ID = parseObjectId('ab'.repeat(32));

/** A file of chunks of 10 bytes; one chunk of it is zeros. */
function fileOf(number: number, chunkCount: number): ChunkedFile {
  const digest = (what: string) => computeContentDigest(Buffer.from(`${what} of ${number}`));
  const chunks = Array.from({ length: chunkCount }, (_, at) => ({
    fileOffset: 10 * at,
    sizeBytes: 10,
    offset: 1000 * number + 10 * at,
    lengthBytes: 10,
    digest: chunkCount === 1 ? digest('file') : digest(`chunk ${at}`),
    isZeros: at === 1,
  }));
  const name = `file-${number}` as ByteString;
  return { name, sizeBytes: 10 * chunkCount, digest: digest('file'), chunks };
}

const OBJECTS: IndexedObjects = {
  findPresent: (ids) => new Uint8Array(ids.length / 32).fill(1),
  placeOf: (objectId, sizeBytes) => ({ objectId, sizeBytes, open: () => undefined }),
};

test('an index of any number of files offers each file and each chunk that is not all zeros', () => {
  for (const count of [0, 1, 2000, 2047, 2048, 2049, 5000]) {
    const files = Array.from({ length: count }, (_, at) => fileOf(at, at % 3 === 0 ? 3 : 1));
    const writer = new IndexWriter('sha256');
    for (const [at, file] of files.entries()) {
      writer.add(file, at % 2 === 0 ? ID : Buffer.alloc(file.sizeBytes));
    }
    const wanted = new WantedContents(files);
    assert.ok(scanIndex(writer.finish(), 'sha256', wanted, OBJECTS));
    for (const [at, { digest, sizeBytes, chunks }] of files.entries()) {
      assert.ok(wanted.content(digest, sizeBytes), `file ${at} of ${count}`);
      if (chunks.length === 1 || at % 2 === 1) continue;
      const found = chunks.map((chunk) => wanted.content(chunk.digest, chunk.sizeBytes)?.offset);
      assert.deepEqual(found, [0, undefined, 20]);
    }
  }
});

test('an index that is truncated, damaged or of another repository offers nothing', () => {
  const file = fileOf(1, 3);
  const writer = new IndexWriter('sha256');
  writer.add(file, ID);
  const bytes = writer.finish();
  const wanted = new WantedContents([file]);
  assert.equal(scanIndex(bytes, 'sha512', wanted, OBJECTS), false);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.equal(scanIndex(bytes.subarray(0, length), 'sha256', wanted, OBJECTS), false);
  }
  // The object is gone.
  const gone = { ...OBJECTS, findPresent: (ids: Uint8Array) => new Uint8Array(ids.length / 32) };
  assert.ok(scanIndex(bytes, 'sha256', wanted, gone));
  assert.equal(wanted.missingCount > 0, true);
  assert.equal(wanted.content(file.digest, file.sizeBytes), undefined);
});
