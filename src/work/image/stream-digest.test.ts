import { equal, rejects } from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { objectPath } from '#formats/fsverity';
import { openSplitstream, SplitstreamWriter } from '#formats/splitstream';
import { initRepository } from '#stores/composefs';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { computeStreamDigest } from './stream-digest.ts';

/** Size of the hash buffer: parts end before, at and after this size. */
const PIECE_BYTES = 256 << 10;
const SIZES = fc.oneof(
  fc.integer({ min: 1, max: 3000 }),
  fc.integer({ min: -2, max: 2 }).map((more) => PIECE_BYTES + more),
  fc.constant(2 * PIECE_BYTES + 1),
);
const PARTS = fc.array(fc.record({ sizeBytes: SIZES, isInline: fc.boolean() }), {
  minLength: 1,
  maxLength: 6,
});

test('the digest of a stream is the hash of its bytes, whatever the size of its parts', () =>
  fc.assert(
    fc.asyncProperty(PARTS, async (parts) => {
      using temp = makeTempDir();
      const options = { algorithm: 'sha256', insecure: true } as const;
      const { repository } = await initRepository(join(temp.path, 'r'), options);
      using open = repository;
      const { algorithm } = open;
      const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
      const whole: Uint8Array[] = [];
      for (const [index, { sizeBytes, isInline }] of parts.entries()) {
        const bytes = Buffer.alloc(sizeBytes, `part ${index} `);
        whole.push(bytes);
        if (isInline) writer.writeInline(bytes);
        else writer.writeExternal(open.objects.ensureBytes(bytes).id, sizeBytes);
      }
      const stream = openSplitstream(await writer.finish(), { algorithm });
      const expected = computeContentDigest(Buffer.concat(whole));
      equal(await computeStreamDigest(open, stream, expected), expected);
      const [lost] = stream.objectRefs;
      if (lost === undefined) return;
      rmSync(join(temp.path, 'r/objects', objectPath(lost)));
      const withoutOne = computeStreamDigest(open, stream, expected);
      await rejects(withoutOne, (error) => hasCode(error, 'OBJECT_NOT_FOUND'));
    }),
    { numRuns: 25 },
  ));
