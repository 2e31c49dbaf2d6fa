import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { writeReference } from '../../tools/api-reference.ts';
import { makeTempDir } from '../support/temp-dir.ts';

test('the library reference is generated without warnings', () => {
  using temp = makeTempDir();
  writeReference(temp.path);
  for (const page of ['functions/onecopy.pullImage', 'modules/onecopy_ostree']) {
    assert.ok(existsSync(`${temp.path}/${page}.html`), page);
  }
});
