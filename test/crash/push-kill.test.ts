import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killPushes } from '../support/push-kills.ts';

/** Points at which a push is killed; `npm run prove -- push-kills` tries more. */
const KILLS = 2;

for (const tellsStatus of [true, false]) {
  const what = tellsStatus
    ? 'and a broken upload goes on'
    : 'also where the registry forgets broken uploads';
  test(`a push after a killed push sends no uploaded blob again, ${what}`, async () => {
    const { killed, wrong } = await killPushes(KILLS, tellsStatus);
    assert.deepEqual(wrong, []);
    assert.ok(killed > 0, 'no push was killed in time');
  });
}
