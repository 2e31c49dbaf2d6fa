import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pullHostile } from '../support/hostile-layers.ts';

// All others are tried by `npm run prove -- hostile-layers`.
for (const what of ['neg/neg-bomb-toc', 'neg/neg-hugehole', 'a path of 30,000 directories']) {
  test(`a hostile layer is pulled or refused within the memory limit: ${what}`, async () => {
    assert.deepEqual((await pullHostile(what)).fault, undefined);
  });
}
