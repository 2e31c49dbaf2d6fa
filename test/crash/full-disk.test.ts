import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { fillDisks } from '../support/full-disk.ts';

/** Few of the commands and one amount of space each; `npm run prove -- full-disk` tries all, with many amounts. */
const COMMANDS = [
  'export to a directory',
  'export oci:',
  'export containers-storage:',
  'ostree commit',
  'gc --plan',
  'gc',
];

test('commands on a full disk report it and publish nothing, gc still works, and each command succeeds when there is space', async (t) => {
  if (!needs(t, 'root', 'ext4')) return;
  const outcomes = await fillDisks(1, COMMANDS);
  deepEqual(
    outcomes.map(({ what }) => what),
    COMMANDS,
  );
  for (const { what, failed, wrong } of outcomes) {
    deepEqual(wrong, [], what);
    equal(failed, what === 'gc' ? 0 : 1, what);
  }
});
