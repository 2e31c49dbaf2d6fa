import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Collected } from './collected.ts';

test('pieces of any size are concatenated, with known or unknown length', () => {
  const bytes = randomBytes(9_000_000);
  for (const lengthBytes of [undefined, bytes.length]) {
    for (const pieceBytes of [1_000, 65_536, 5_000_000, 9_000_000]) {
      const collected = new Collected(lengthBytes);
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        collected.push(bytes.subarray(at, at + pieceBytes));
      }
      assert.ok(bytes.equals(collected.take()));
    }
  }
});

test('collecting an endless body needs no more memory than its length', () => {
  const piece = new Uint8Array(65_536).fill(7);
  const collected = new Collected(undefined);
  const before = process.memoryUsage().arrayBuffers;
  for (let sent = 0; sent < 64 << 20; sent += piece.length) collected.push(piece);
  const held = process.memoryUsage().arrayBuffers - before;
  assert.ok(held < (64 << 20) * 1.2, `${held} bytes`);
});

test('an empty body gives an empty array', () => {
  assert.equal(new Collected(undefined).take().length, 0);
  assert.equal(new Collected(5).take().length, 0);
});
