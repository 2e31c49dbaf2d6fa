import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { healFlips, type Notice } from '../support/flips.ts';

/** One flip in each object and link of a small repository; `npm run prove -- flips` tries many more. */
const FLIPS = 22;

for (const notice of ['fsck', 'verify-reused'] as const satisfies readonly Notice[]) {
  test(`a pull repairs any single flip that ${notice} detects`, async () => {
    const outcomes = await healFlips(FLIPS, notice);
    deepEqual(
      outcomes.filter(({ left }) => left.length > 0),
      [],
    );
  });
}
