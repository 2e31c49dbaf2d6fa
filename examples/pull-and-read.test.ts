import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const EXAMPLE = fileURLToPath(new URL('./pull-and-read.ts', import.meta.url));
const LAYOUT = fileURLToPath(new URL('../test/golden/cfsctl/oci/basic/layout', import.meta.url));

function run(...args: string[]) {
  return spawnSync(process.execPath, [EXAMPLE, ...args], { encoding: 'utf8' });
}

test('the example pulls an image and prints a file of it', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-example-'));
  try {
    const done = run(join(scratch, 'repo'), `oci:${LAYOUT}:latest`, '/hello.txt');
    assert.equal(done.stdout, 'hello from test layer\n', done.stderr);
    assert.match(done.stderr, /files new/);
    assert.equal(done.status, 0);
    const missing = run(join(scratch, 'repo'), `oci:${LAYOUT}:latest`, '/nothing');
    assert.equal(missing.status, 4);
    assert.match(missing.stderr, /^Cannot find "\/nothing"/m);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
