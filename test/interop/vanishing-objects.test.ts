import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loseObjects } from '../support/vanishing-objects.ts';

test('an update succeeds although another process removes its source object during the pull', async () => {
  // Every step is tried by `npm run prove -- vanishing-objects`.
  const { steps, tried, wrong } = await loseObjects(1);
  assert.deepEqual(wrong, []);
  assert.ok(steps > 3 && tried > 0, `${steps} steps`);
});
