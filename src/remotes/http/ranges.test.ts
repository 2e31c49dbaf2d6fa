import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { HttpClient } from './client.ts';

const QUICK = { retry: { attempts: 3, baseMs: 1, capMs: 2 } } as const;
const BLOB = Buffer.from(Array.from({ length: 400_000 }, (_, at) => at % 251));

type Answer = (response: ServerResponse, first: number, last: number, count: number) => void;

/** A server with configured answers to ranges. @returns the requested ranges */
async function serve(answer: Answer) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const [, first, last] = /^bytes=([0-9]+)-([0-9]*)$/.exec(range ?? 'bytes=0-') ?? [];
    answer(response, Number(first), last === '' ? BLOB.length - 1 : Number(last), ranges.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ranges,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/blob`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const partial: Answer = (response, first, last) => {
  const range = `bytes ${first}-${last}/${BLOB.length}`;
  response.writeHead(206, { 'content-range': range }).end(BLOB.subarray(first, last + 1));
};

const whole: Answer = (response) => {
  response.writeHead(200, { 'content-length': BLOB.length }).end(BLOB);
};

async function read(url: string, range: { offset: number; length: number; of?: number }) {
  await using client = new HttpClient(QUICK);
  let skipped = 0;
  const onSkipped = (count: number) => {
    skipped += count;
  };
  const { body } = await client.fetch({ url, range, onSkipped });
  const pieces: Uint8Array[] = [];
  for await (const piece of body as AsyncIterable<Uint8Array>) pieces.push(piece);
  return { bytes: Buffer.concat(pieces), skipped };
}

const WANTED = { offset: 1000, length: 300_000, of: BLOB.length };
const BYTES = BLOB.subarray(1000, 301_000);

test('a range is requested as a closed range', async () => {
  await using server = await serve(partial);
  assert.deepEqual((await read(server.url, WANTED)).bytes, BYTES);
  assert.deepEqual(server.ranges, ['bytes=1000-300999']);
});

test('a range that is interrupted or ends early is resumed by closed ranges', async () => {
  await using server = await serve((response, first, last, count) => {
    if (count === 2) return partial(response, first, first + 49_999, count);
    const range = `bytes ${first}-${last}/*`;
    const headers = { 'content-range': range, 'content-length': last + 1 - first };
    response.writeHead(206, headers);
    if (count > 2) response.end(BLOB.subarray(first, last + 1));
    else response.write(BLOB.subarray(first, first + 100_000), () => response.destroy());
  });
  assert.deepEqual((await read(server.url, WANTED)).bytes, BYTES);
  assert.deepEqual(server.ranges, [
    'bytes=1000-300999',
    'bytes=101000-300999',
    'bytes=151000-300999',
  ]);
});

test('a full response is read up to the end of the range, and the skipped bytes are reported', async () => {
  await using server = await serve(whole);
  const { bytes, skipped } = await read(server.url, WANTED);
  assert.deepEqual(bytes, BYTES);
  assert.equal(skipped, 1000);
});

test('a server that refuses ranges is asked for the full blob', async () => {
  await using server = await serve((response, first, last, count) => {
    if (count > 1) return whole(response, first, last, count);
    // As docker-registry 2.8.2: the length of the blob, and a page of a few bytes.
    response.writeHead(416, { 'content-length': BLOB.length }).write('no');
  });
  assert.deepEqual((await read(server.url, WANTED)).bytes, BYTES);
  assert.deepEqual(server.ranges, ['bytes=1000-300999', undefined]);
});

for (const range of [
  'bytes 999-300999/400000',
  'bytes 1000-300999/400001',
  'bytes 1000-300999/400000, bytes 0-1/400000',
  'bytes 1000-999/400000',
  'items 1000-300999/400000',
  'bytes 1000-300999',
  undefined,
]) {
  test(`a part with Content-Range ${range} is refused`, async () => {
    await using server = await serve((response) => {
      response.writeHead(206, range === undefined ? {} : { 'content-range': range }).end(BYTES);
    });
    await assert.rejects(
      read(server.url, WANTED),
      (error) => hasCode(error, 'RANGE_MISMATCH') && error.details['retryable'] === false,
    );
    assert.equal(server.ranges.length, 1);
  });
}

test('a 416 with another size is not retried', async () => {
  await using server = await serve((response) => {
    response.writeHead(416, { 'content-range': 'bytes */77' }).end();
  });
  await assert.rejects(read(server.url, WANTED), (error) => hasCode(error, 'RANGE_MISMATCH'));
});

test('repeated 416 ends after the last attempt', async () => {
  await using server = await serve((response) => void response.writeHead(416).end());
  await assert.rejects(read(server.url, WANTED), (error) => hasCode(error, 'HTTP_STATUS'));
  assert.equal(server.ranges.length, 3);
});
