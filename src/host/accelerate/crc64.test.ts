import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Crc64Iso } from '#formats/tar-split';
import { tryOpenCrc64Iso } from './crc64.ts';

test('the library computes the same CRC-64 as the tables, however the bytes are split', (t) => {
  if (tryOpenCrc64Iso() === undefined) {
    t.skip('libisal.so.2 is not installed');
    return;
  }
  const pieces = fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 5 });
  fc.assert(
    fc.property(pieces, fc.nat(20), (parts, start) => {
      const ours = new Crc64Iso();
      const theirs = tryOpenCrc64Iso();
      for (const part of parts) {
        // Also at addresses that are not aligned.
        const bytes = part.subarray(Math.min(start, part.length));
        ours.update(bytes);
        theirs?.update(bytes);
      }
      assert.deepEqual(theirs?.finish(), ours.finish());
    }),
  );
});
