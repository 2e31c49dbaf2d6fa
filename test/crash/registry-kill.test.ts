import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killPulls } from '../support/pull-kills.ts';

/** Points at which a pull is killed; `npm run prove -- pull-kills` tries more. */
const KILLS = 2;

for (const route of ['whole', 'partial'] as const) {
  test(`a pull after a killed registry pull (${route} layers) fetches no stored layer again`, async () => {
    const { killed, wrong } = await killPulls(KILLS, route);
    assert.deepEqual(wrong, []);
    assert.equal(killed, KILLS);
  });
}
