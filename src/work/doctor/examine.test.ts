import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { examineHost } from './index.ts';

test('an examination reports every capability once and leaves no files behind', () => {
  const path = mkdtempSync(join(tmpdir(), 'onecopy-doctor-'));
  try {
    const [found] = examineHost([path]);
    const names = found?.capabilities.map((row) => row.name) ?? [];
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes('reflink') && names.includes('verity-sha512'));
    for (const row of found?.capabilities ?? []) {
      assert.equal(row.reason === '', row.available, row.name);
      assert.equal(row.fix === '', row.available, row.name);
    }
    assert.deepEqual(readdirSync(path), []);
  } finally {
    rmSync(path, { recursive: true });
  }
});
