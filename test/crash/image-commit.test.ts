import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { killCommits } from '../support/commit-kills.ts';

/** One point of a commit; `npm run prove -- commit-kills` tries fifty, and both routes. */
const KILLS = 1;

test('a killed commit of an image sets no ref, and the next commit is complete', async (t) => {
  if (!needs(t, 'root', 'xfs', 'tool:ostree')) return;
  assert.deepEqual(await killCommits(KILLS, ['synthesis']), []);
});
