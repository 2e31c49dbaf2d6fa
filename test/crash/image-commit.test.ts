import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { killCommits } from '../support/commit-kills.ts';

/** One point of a commit; `npm run prove -- commit-kills` tries fifty, and both routes. */
const KILLS = 1;

test('a commit that is killed leaves no ref, and the next one is whole', async (t) => {
  if (!needs(t, 'root', 'xfs', 'tool:ostree')) return;
  assert.deepEqual(await killCommits(KILLS, ['synthesis']), []);
});
