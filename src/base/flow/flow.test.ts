import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { pool, readerOf, verified } from './index.ts';

const BYTES = Buffer.from('hello world');
const DIGEST = computeContentDigest(BYTES);

async function drain(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('a verified source passes the bytes on when their size and digest are right', async () => {
  const source = verified([BYTES.subarray(0, 4), BYTES.subarray(4)], {
    digest: DIGEST,
    sizeBytes: 11,
  });
  assert.deepEqual(await drain(source), BYTES);
});

for (const [what, bytes, code] of [
  ['shorter', BYTES.subarray(1), 'BLOB_SIZE_MISMATCH'],
  ['longer', Buffer.from('hello world!'), 'BLOB_SIZE_MISMATCH'],
  ['different', Buffer.from('hello w0rld'), 'BLOB_DIGEST_MISMATCH'],
] as const) {
  test(`a verified source with ${what} bytes throws at its end`, async () => {
    await assert.rejects(drain(verified([bytes], { digest: DIGEST, sizeBytes: 11 })), (error) =>
      hasCode(error, code),
    );
  });
}

test('a pool keeps the order of its items and runs no more than its limit at once', async () => {
  let running = 0;
  let most = 0;
  const results = await pool([30, 10, 20, 5], 2, async (ms, index) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running -= 1;
    return index;
  });
  assert.deepEqual(results, [0, 1, 2, 3]);
  assert.equal(most, 2);
});

test('a pool throws the first failure and starts no item after it', async () => {
  const started: number[] = [];
  const failing = pool([0, 1, 2, 3], 1, async (item) => {
    started.push(item);
    if (item === 1) throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  assert.deepEqual(started, [0, 1]);
});

test('a reader over bytes ends after the last byte', () => {
  const reader = readerOf(BYTES);
  const into = new Uint8Array(8);
  assert.equal(reader.read(6, into), 5);
  assert.equal(reader.read(11, into), 0);
  assert.equal(Buffer.from(into.subarray(0, 5)).toString(), 'world');
});
