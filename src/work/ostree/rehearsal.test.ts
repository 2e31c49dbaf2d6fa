import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTempRepository } from '../../../test/support/ostree-stored.ts';
import { FileTools } from './file-tools.ts';
import { rehearseFiles, rehearseFinish } from './rehearsal.ts';

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a rehearsal ends by itself and leaves nothing behind (${algorithm})`, async () => {
    using target = await makeTempRepository(algorithm);
    const { objects } = target.repository;
    rehearseFiles(new FileTools(objects.writerSeed(), undefined));
    for (const version of [0, 1, 2] as const) {
      const steps = [...rehearseFinish({ algorithm, version })];
      assert.ok(steps.length > 4);
    }
    assert.deepEqual([...objects.list()], []);
  });
}
