import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHex } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import { computeVerity } from '#formats/fsverity';
import { HandleEncoder, StreamEncoder } from './body-encoder.ts';
import { CONTENT_TYPES, SplitstreamWriter } from './index.ts';
import { HEADER, INFO, INLINE_RUN_BYTES_MAX, OLD_HEADER } from './layout.ts';
import { hasZstdHandle } from './zstd-handle.ts';
import { zstdParity } from './zstd-parity.ts';

const NONE = { algorithm: 'sha256', contentType: 0n } as const;

function idOf(fill: number): ObjectId {
  return fill.toString(16).padStart(2, '0').repeat(32) as ObjectId;
}

/** A tar member as in the pinned layers of composefs-rs: ustar, mode 0700, everything else zero. */
function zeroMember(name: string, sizeBytes: number): { header: Buffer; padding: Buffer } {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000700\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(7, '0')}\0`, 148);
  return { header, padding: Buffer.alloc((512 - (sizeBytes % 512)) % 512) };
}

test('one inline chunk gives the pinned bytes and id', async () => {
  const writer = new SplitstreamWriter(NONE);
  writer.writeInline(Buffer.from('hel'));
  writer.writeInline(new Uint8Array(0));
  writer.writeInline(Buffer.from('lo'));
  const bytes = await writer.finish();
  const range = (start: string, end: string) => `${start}00000000000000${end}00000000000000`;
  assert.equal(
    encodeHex(bytes),
    `53706c697453747265616d000000010c${range('20', '70')}` +
      range('70', '70') +
      range('70', '70') +
      range('79', '8f') +
      range('70', '79') +
      '00000000000000000500000000000000' +
      '28b52ffd2000010000' +
      '28b52ffd0058690000fbffffffffffffff68656c6c6f',
  );
  assert.equal(
    computeVerity(bytes, 'sha256'),
    'fbf48665a4925a6b9a6d6d606228574b6db1ce2002db657c21647e948d3e2c91',
  );
});

test('an empty splitstream has 130 bytes and two empty frames', async () => {
  const bytes = await new SplitstreamWriter(NONE).finish();
  assert.equal(bytes.length, 130);
  assert.equal(encodeHex(bytes.subarray(112)), '28b52ffd2000010000'.repeat(2));
  assert.deepEqual(new SplitstreamWriter(NONE).finishSync(), bytes);
});

test('the layers and the config of the determinism test of composefs-rs get their pinned ids', async () => {
  const layers = [
    [
      'alpha',
      1000,
      'sha256:757d6903198804b6ed96421a93a9973f5facc0e445a2a6c61cb0129eb67026e2',
      '61c07629b8a41273f190744a8545c132e6b784dcb2235bb31ade307a83e092ff',
    ],
    [
      'beta',
      2000,
      'sha256:77dd145166ef191089dabd4d2c52d32143850a3c81a074fedf48dca360e2dcb9',
      'ce472620ab69da46e385b0936865ef22f940e6bf55a083d3be37b1003795e221',
    ],
    [
      'gamma',
      3000,
      'sha256:9b57f0e91c403b650e9391fd5e4154cac5dc1469acc0f3312e6149aa34f160ef',
      '99ce11df4bb808a1e80ce69425dae527b64aa7a270bf99c4a6e24d66be270f3f',
    ],
  ] as const;
  const config = new SplitstreamWriter({
    algorithm: 'sha256',
    contentType: CONTENT_TYPES.ociConfig,
  });
  for (const [name, sizeBytes, diffId, pinned] of layers) {
    const { header, padding } = zeroMember(name, sizeBytes);
    const writer = new SplitstreamWriter({
      algorithm: 'sha256',
      contentType: CONTENT_TYPES.ociLayer,
    });
    writer.writeInline(header);
    writer.writeExternal(computeVerity(new Uint8Array(sizeBytes), 'sha256'), sizeBytes);
    writer.writeInline(padding);
    writer.writeInline(Buffer.alloc(1024));
    const id = computeVerity(await writer.finish(), 'sha256');
    assert.equal(id, pinned);
    config.addNamedRef(diffId, id);
  }
  const diffIds = layers.map(([, , diffId]) => diffId);
  const json = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
    }),
  );
  config.writeExternal(computeVerity(json, 'sha256'), json.length);
  assert.equal(
    computeVerity(await config.finish(), 'sha256'),
    '4839518dea22749f8ff233e7f7baec65f23dd5336462f46ad6884769af84bf95',
  );
});

test('both encoders give the same frame however the bytes are split', async () => {
  assert.ok(hasZstdHandle(), 'this Node has the synchronous encoder');
  const bytes = Buffer.alloc(400_000);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * at) >>> (at % 23);
  const whole = new StreamEncoder();
  whole.write(bytes);
  const expected = await whole.finish();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(HandleEncoder, StreamEncoder),
      fc.array(fc.oneof(fc.nat({ max: 600 }), fc.nat({ max: 200_000 })), { maxLength: 12 }),
      async (Encoder, cuts) => {
        const encoder = new Encoder();
        let at = 0;
        for (const cut of cuts) {
          const piece = Uint8Array.from(bytes.subarray(at, at + cut));
          encoder.write(piece);
          piece.fill(1);
          at = Math.min(at + cut, bytes.length);
        }
        encoder.write(bytes.subarray(at));
        assert.ok(Buffer.from(expected).equals(await encoder.finish()));
      },
    ),
    { numRuns: 20 },
  );
});

test('the public encoder writes the empty frame, and refuses finishSync', async () => {
  const encoder = new StreamEncoder();
  encoder.write(new Uint8Array(0));
  assert.throws(
    () => encoder.finishSync(),
    (error) => hasCode(error, 'SPLITSTREAM_SYNC_UNAVAILABLE'),
  );
  assert.equal(encodeHex(await encoder.finish()), '28b52ffd2000010000');
});

test('the size counts inline bytes and external sizes, and the table lists each object once', () => {
  using writer = new SplitstreamWriter(NONE);
  writer.writeInline(Buffer.alloc(100));
  for (const fill of [2, 1, 2, 2]) writer.writeExternal(idOf(fill), 250);
  assert.equal(writer.addObjectRef(idOf(1)), 1);
  assert.equal(writer.addObjectRef(idOf(3)), 2);
  assert.equal(writer.sizeBytes, 1100);
  assert.deepEqual([...writer.objectRefs], [idOf(2), idOf(1), idOf(3)]);
});

test('a named ref with a NUL is refused', () => {
  using writer = new SplitstreamWriter(NONE);
  assert.throws(
    () => writer.addNamedRef('a\0b', idOf(1)),
    (error) => hasCode(error, 'SPLITSTREAM_NAMED_REF_INVALID'),
  );
});

test('a long run of inline bytes that is compressed while it grows gives the bytes of a single write', async () => {
  const bytes = Buffer.alloc(9 * 2 ** 20 + 5);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * at) >>> (at % 23);
  const whole = new HandleEncoder();
  const length = Buffer.alloc(8);
  length.writeBigInt64LE(BigInt(-bytes.length));
  whole.write(Buffer.concat([length, bytes]));
  const expected = await whole.finish();
  for (const cut of [bytes.length, 1_000_003]) {
    const writer = new SplitstreamWriter(NONE);
    for (let at = 0; at < bytes.length; at += cut) writer.writeInline(bytes.subarray(at, at + cut));
    const stream = Buffer.from(await writer.finish());
    assert.ok(stream.subarray(-expected.length).equals(expected));
  }
});

test('a run of inline bytes above the limit is refused before it is copied', () => {
  using writer = new SplitstreamWriter(NONE);
  const endless = Object.defineProperty(new Uint8Array(0), 'length', {
    value: INLINE_RUN_BYTES_MAX + 1,
  });
  assert.throws(
    () => writer.writeInline(endless),
    (error) => hasCode(error, 'SPLITSTREAM_INLINE_TOO_LARGE'),
  );
  assert.equal(writer.sizeBytes, 0);
});

test('the fields of both header layouts and of the info section have no gap or overlap', () => {
  for (const layout of [HEADER, OLD_HEADER]) {
    const sizes = { magic: 11, version: 1, flags: 2, algorithm: 1, blockBits: 1 };
    const fields = Object.entries(layout).sort(([, a], [, b]) => a - b);
    let end = 0;
    for (const [name, offset] of fields) {
      assert.equal(offset, end);
      end += (sizes as Record<string, number>)[name] ?? 8;
    }
    assert.equal(end, 32);
  }
  assert.deepEqual(Object.values(INFO), [0, 16, 32, 48, 64, 72]);
});

test('a content type is its eight ASCII bytes as a number', () => {
  assert.equal(CONTENT_TYPES.ociLayer, 0x726579616c69636fn);
  assert.equal(Buffer.from('ocimanif').readBigUInt64LE(), CONTENT_TYPES.ociManifest);
});

test('only libzstd 1.5.7 gives the ids of composefs-rs', () => {
  assert.deepEqual(zstdParity('1.5.6'), { version: '1.5.6', exact: false });
  assert.deepEqual(zstdParity(), { version: '1.5.7', exact: true });
});
