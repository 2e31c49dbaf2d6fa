/**
 * Recorded runs of `cfsctl mkcomposefs` and `cfsctl composefs-info`: what the command line decides, that is exit codes. Both read it as the C
 * tools do, and so accept more than the original.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { makeScene, replayTools } from './compat-tools.ts';

// Read when the tools are loaded, as the launcher sets it.
process.env['ONECOPY_CALLED_AS'] = 'cfsctl';
const { main: mkcomposefs } = await import('../../../src/faces/compat/mkcomposefs.ts');
const { main: composefsInfo } = await import('../../../src/faces/compat/composefs-info.ts');

/** Steps that differ: abbreviated options, a panic, and options before the command of composefs-info. */
const DIFFERING: Readonly<Record<string, readonly number[]>> = {
  'c-tools/mkcomposefs.json': [21, 43],
  'c-tools/composefs-info.json': [9, 15, 17, 19, 25, 29, 31, 33, 35, 75],
};

for (const [file, listed] of Object.entries(DIFFERING)) {
  test(`cfsctl has the recorded exit codes in ${file}`, async () => {
    using temp = makeTempDir();
    await makeScene(temp.path, mkcomposefs);
    const image = readFileSync(join(temp.path, 'a.img'));
    writeFileSync(join(temp.path, 'cut.img'), image.subarray(0, 6000));
    writeFileSync(join(temp.path, 'flip.img'), image.fill(0xff, 1024, 1025));
    const differences = await replayTools(readGolden<GoldenStep[]>(file), {
      tools: { mkcomposefs, 'composefs-info': composefsInfo },
      place: (text) => text.replaceAll('$W', temp.path),
      look: ({ tool, stdin }) => (tool === 'C' || stdin !== undefined ? 'skip' : 'status'),
    });
    assert.deepEqual(
      differences.filter(({ step }) => !listed.includes(step)),
      [],
    );
    assert.equal(differences.length, listed.length);
  });
}
