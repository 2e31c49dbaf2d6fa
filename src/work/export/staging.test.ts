import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dir } from '#host';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { removeAbandoned, StagingFolder } from './staging.ts';

test('a temporary folder goes when nobody holds it any more, and nothing else does', () => {
  using temp = makeTempDir();
  using parent = Dir.open(temp.path);
  const others = ['.onecopy', '.onecopy-mine', 'data'];
  for (const name of others) mkdirSync(join(temp.path, name));
  writeFileSync(join(temp.path, '.onecopy-AAAAAAAAAAAA'), 'a file');
  const kept = [...others, '.onecopy-AAAAAAAAAAAA'];
  const staging = StagingFolder.make(parent);
  mkdirSync(join(temp.path, staging.name, 'sub'), { mode: 0 });
  removeAbandoned(parent);
  assert.deepEqual(readdirSync(temp.path).sort(), [...kept, staging.name].sort());
  staging[Symbol.dispose]();
  removeAbandoned(parent);
  assert.deepEqual(readdirSync(temp.path).sort(), kept.sort());
});
