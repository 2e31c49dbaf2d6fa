import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concatBytes } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { crc64 } from './crc64.ts';
import { decodeXz } from './index.ts';

const LIMIT = { outputMaxBytes: 1_000_000 };

function golden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../../test/golden/xz/${name}`, import.meta.url)));
}

/** `stream(seed, n)` of test/golden/xz/README.md. */
function noise(length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) {
    const counter = Buffer.alloc(8);
    counter.writeUInt32LE(i);
    blocks.push(createHash('sha256').update('xz').update(counter).digest());
  }
  return concatBytes(blocks).subarray(0, length);
}

function mix(): Uint8Array {
  const lines = Array.from(
    { length: 3000 },
    (_, i) => `line ${i * i} of a text that repeats itself\n`,
  );
  const text = new Uint8Array(Buffer.from(lines.join(''))).subarray(0, 20000);
  return concatBytes([
    text,
    noise(3000),
    text,
    new Uint8Array(5000),
    noise(3000).subarray(1000, 2500),
  ]);
}

for (const name of ['crc64', 'crc32', 'none', 'sha256', 'blocks', 'lp2', 'pb4']) {
  test(`decodeXz decodes the xz output mix-${name}.xz`, () => {
    assert.deepEqual(decodeXz(golden(`mix-${name}.xz`), LIMIT), mix());
  });
}

test('decodeXz decodes stored chunks, a stream without blocks, and concatenated streams', () => {
  assert.deepEqual(decodeXz(golden('noise.xz'), LIMIT), noise(40000));
  assert.equal(decodeXz(golden('empty.xz'), LIMIT).length, 0);
  assert.deepEqual(decodeXz(golden('two-streams.xz'), LIMIT), concatBytes([mix(), mix()]));
});

test('decodeXz refuses an unknown filter', () => {
  assert.throws(() => decodeXz(golden('mix-x86.xz'), LIMIT), { code: 'XZ_UNSUPPORTED' });
});

test('decodeXz accepts output of exactly its limit and refuses one byte more', () => {
  const length = mix().length;
  assert.equal(decodeXz(golden('mix-crc64.xz'), { outputMaxBytes: length }).length, length);
  assert.throws(() => decodeXz(golden('mix-crc64.xz'), { outputMaxBytes: length - 1 }), {
    code: 'XZ_TOO_LARGE',
  });
});

test('decodeXz refuses a file truncated at any byte', () => {
  for (const name of ['mix-crc64.xz', 'mix-blocks.xz', 'empty.xz']) {
    const bytes = golden(name);
    for (let length = 0; length < bytes.length; length += length < 200 ? 1 : 37) {
      assert.throws(() => decodeXz(bytes.subarray(0, length), LIMIT), { code: 'XZ_INVALID' }, name);
    }
  }
});

test('decodeXz refuses a file with any byte flipped', () => {
  for (const name of ['mix-crc32.xz', 'mix-sha256.xz', 'mix-blocks.xz', 'noise.xz', 'empty.xz']) {
    const bytes = golden(name);
    for (let at = 0; at < bytes.length; at += bytes.length > 1000 ? 41 : 1) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      try {
        decodeXz(damaged, LIMIT);
        assert.fail(`byte ${at} of ${name} was not missed`);
      } catch (error) {
        assert.ok(isOnecopyError(error), `byte ${at} of ${name}: ${error}`);
      }
    }
  }
});

test('a wrong check value is refused, and the error names both values', () => {
  const bytes = golden('mix-sha256.xz');
  // From the end: footer 12, index 12, check 32 bytes.
  const at = bytes.length - 12 - 12 - 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  assert.throws(() => decodeXz(bytes, LIMIT), { code: 'XZ_DIGEST_MISMATCH' });
});

test('crc64 has the check value of CRC-64/XZ', () => {
  assert.equal(crc64(new Uint8Array(Buffer.from('123456789'))), 0x995dc9bbdf1939fan);
  assert.equal(crc64(new Uint8Array(0)), 0n);
});
