import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import type { ByteRange } from '#base/flow';
import { RangeBody } from './range-body.ts';
import { readRangeHead } from './range-head.ts';

const BLOB = Buffer.from(Array.from({ length: 2000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff));
const BOUNDARY = 'a:boundary';
const MULTI = { kind: 'multipart', boundary: BOUNDARY } as const;

function partOf({ offset, length }: ByteRange, total: string | number = BLOB.length): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${offset}-${offset + length - 1}/${total}\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head),
    BLOB.subarray(offset, offset + length),
    Buffer.from('\r\n'),
  ]);
}

function bodyOf(parts: readonly ByteRange[]): Buffer {
  return Buffer.concat([
    Buffer.from('\r\n'),
    ...parts.map((part) => partOf(part)),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);
}

/** What comes of a body: how many bytes, each right and once, and what is missing. */
function receive(
  wanted: readonly ByteRange[],
  body: Uint8Array,
  pieceBytes = 50,
  head: ConstructorParameters<typeof RangeBody>[0] = MULTI,
): { received: number; missing: ByteRange[] } {
  const reader = new RangeBody(head, wanted, BLOB.length);
  const seen = new Set<number>();
  for (let at = 0; at < body.length; at += pieceBytes) {
    for (const { offset, bytes } of reader.push(body.subarray(at, at + pieceBytes))) {
      assert.ok(bytes.length > 0);
      assert.ok(BLOB.subarray(offset, offset + bytes.length).equals(bytes));
      for (let index = 0; index < bytes.length; index += 1) {
        assert.ok(!seen.has(offset + index), 'each byte once');
        seen.add(offset + index);
      }
    }
  }
  const missing = reader.end();
  const isWanted = (at: number) =>
    wanted.some(({ offset, length }) => at >= offset && at < offset + length);
  assert.ok([...seen].every(isWanted));
  const bytes = (ranges: readonly ByteRange[]) =>
    ranges.reduce((sum, { length }) => sum + length, 0);
  assert.equal(seen.size + bytes(missing), bytes(wanted));
  return { received: seen.size, missing };
}

const WANTED: ByteRange[] = [
  { offset: 10, length: 100 },
  { offset: 300, length: 1 },
  { offset: 500, length: 700 },
];

for (const [what, parts] of [
  ['as asked', WANTED],
  ['in another order', WANTED.toReversed()],
  ['joined over the gaps', [{ offset: 0, length: 2000 }]],
  [
    'one cut in two',
    [...WANTED.slice(0, 2), { offset: 500, length: 300 }, { offset: 800, length: 400 }],
  ],
  ['one twice, and overlapping', [...WANTED, { offset: 50, length: 500 }]],
] as const) {
  test(`parts that come ${what} give every wanted byte once`, () => {
    for (const pieceBytes of [1, 3, 64, 5000]) {
      assert.deepEqual(receive(WANTED, bodyOf(parts), pieceBytes), { received: 801, missing: [] });
    }
  });
}

test('a body truncated at any byte gives the received bytes and the missing ranges', () => {
  const body = bodyOf(WANTED);
  for (let length = 0; length < body.length; length += 1) {
    const { received, missing } = receive(WANTED, body.subarray(0, length));
    assert.equal(received === 801, missing.length === 0);
  }
});

test('unrequested parts are ignored, and an omitted part is missing', () => {
  const { missing } = receive(WANTED, bodyOf([{ offset: 1500, length: 100 }, ...WANTED.slice(1)]));
  assert.deepEqual(missing, [WANTED[0]]);
});

test('any ranges arrive whole, in any parts and pieces', () => {
  const cuts = fc.uniqueArray(fc.nat(BLOB.length - 1), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(
      cuts,
      fc.integer({ min: 1, max: 300 }),
      fc.infiniteStream(fc.nat()),
      (points, size, random) => {
        const sorted = points.toSorted((a, b) => a - b);
        const wanted: ByteRange[] = [];
        for (let at = 0; at + 1 < sorted.length; at += 2) {
          const [offset = 0, end = 0] = sorted.slice(at, at + 2);
          wanted.push({ offset, length: end - offset });
        }
        const order = wanted.map((range) => ({ range, key: Number(random.next().value) }));
        const parts = order.sort((a, b) => a.key - b.key).map(({ range }) => range);
        assert.deepEqual(receive(wanted, bodyOf(parts), size).missing, []);
      },
    ),
    { numRuns: 100 },
  );
});

test('a body of one range is cut to the requested bytes, and bytes that it lacks are missing', () => {
  const single = (offset: number, length: number) =>
    ({ kind: 'single', range: { offset, length } }) as const;
  const body = (offset: number, length: number) => BLOB.subarray(offset, offset + length);
  assert.deepEqual(receive(WANTED, body(10, 100), 7, single(10, 100)), {
    received: 100,
    missing: WANTED.slice(1),
  });
  assert.deepEqual(receive(WANTED, body(0, 2000), 7, single(0, 2000)).missing, []);
  assert.deepEqual(receive(WANTED, body(10, 60), 7, single(10, 100)).missing[0], {
    offset: 70,
    length: 40,
  });
});

const refused = (error: unknown): boolean => hasCode(error, 'RANGE_RESPONSE_INVALID');

for (const [what, text] of [
  ['another total', 'bytes 10-109/2001'],
  ['an end past the blob', 'bytes 10-2000/2000'],
  ['an end before its start', 'bytes 109-10/2000'],
  ['another unit', 'items 10-109/2000'],
  ['no range', 'bytes */2000'],
  ['numbers that are too long', 'bytes 10-99999999999999999/2000'],
] as const) {
  test(`a Content-Range with ${what} is refused, in a part and in the head`, () => {
    const part = Buffer.from(`--${BOUNDARY}\r\nContent-Range: ${text}\r\n\r\n`);
    assert.throws(() => receive(WANTED, part), refused);
    assert.throws(
      () => readRangeHead(206, new Map([['content-range', text]]), BLOB.length),
      refused,
    );
  });
}

for (const [what, body] of [
  ['no Content-Range', `--${BOUNDARY}\r\nContent-Type: text/plain\r\n\r\n`],
  [
    'two of them',
    `--${BOUNDARY}\r\nContent-Range: bytes 10-109/2000\r\nContent-Range: bytes 10-109/2000\r\n\r\n`,
  ],
  ['no headers', `--${BOUNDARY}\r\n\r\n`],
  ['a header section without end', `--${BOUNDARY}\r\n${'X-Long: y\r\n'.repeat(1000)}`],
] as const) {
  test(`a part with ${what} is refused`, () => {
    assert.throws(() => receive(WANTED, Buffer.from(body)), refused);
  });
}

test('a part longer than its Content-Range is refused at the expected boundary', () => {
  const part = partOf({ offset: 10, length: 100 });
  const longer = Buffer.concat([part.subarray(0, -2), Buffer.from('more\r\n')]);
  assert.throws(() => receive(WANTED, longer), refused);
});

test('a multipart body without its boundary, with text after its end, or with endless parts is refused', () => {
  const foreign = Buffer.from('some text\r\n'.repeat(1000));
  assert.throws(() => receive(WANTED, foreign), refused);
  assert.throws(() => receive(WANTED, Buffer.alloc(10_000, 'x')), refused);
  assert.throws(() => receive(WANTED, Buffer.concat([bodyOf(WANTED), foreign])), refused);
  const part = partOf({ offset: 10, length: 1 });
  assert.throws(
    () => receive(WANTED, Buffer.concat(Array.from({ length: 100 }, () => part))),
    refused,
  );
});

test('readRangeHead distinguishes a full blob, one range, multipart ranges and a refusal', () => {
  const read = (status: number, headers: Record<string, string>) =>
    readRangeHead(status, new Map(Object.entries(headers)), BLOB.length);
  assert.deepEqual(read(200, {}), { kind: 'whole' });
  for (const status of [400, 404, 416, 501]) {
    assert.deepEqual(read(status, {}), { kind: 'refused', status });
  }
  const single = { kind: 'single', range: { offset: 5, length: 10 } };
  assert.deepEqual(read(206, { 'content-range': 'bytes 5-14/2000' }), single);
  assert.deepEqual(read(206, { 'content-range': 'bytes 5-14/*' }), single);
  for (const boundary of ['"a:b"', 'a:b']) {
    const type = `multipart/byteranges; charset=x; boundary=${boundary}`;
    assert.deepEqual(read(206, { 'content-type': type }), { kind: 'multipart', boundary: 'a:b' });
  }
});

test('a 206 response without its range is refused', () => {
  for (const type of [
    'application/octet-stream',
    'multipart/byteranges',
    'multipart/byteranges; boundary=""',
    `multipart/byteranges; boundary=${'x'.repeat(201)}`,
  ]) {
    assert.throws(
      () => readRangeHead(206, new Map([['content-type', type]]), BLOB.length),
      refused,
    );
  }
});
