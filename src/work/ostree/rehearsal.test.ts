import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rehearseFinish } from './rehearsal.ts';

for (const algorithm of ['sha256', 'sha512'] as const) {
  for (const version of [0, 1, 2] as const) {
    test(`the steps behind the last file end by themselves (${algorithm}, V${version})`, () => {
      const steps = [...rehearseFinish({ algorithm, version })];
      assert.ok(steps.length > 4);
    });
  }
}
