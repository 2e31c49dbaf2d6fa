/**
 * Recorded runs of the tools of the composefs project. The contents of the source tree
 * are not known, so that ids of images of it are compared by its dumpfile, and else only exit codes.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { main as composefsInfo } from '../../../src/faces/compat/composefs-info.ts';
import { main as mkcomposefs } from '../../../src/faces/compat/mkcomposefs.ts';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { DUMP, makeScene, replayTools } from './compat-tools.ts';

const TOOLS = { mkcomposefs, 'composefs-info': composefsInfo };

/** Steps of the C tool; but help succeeds, and options of composefs-rs are taken. */
function isCompared({ tool, cmd = [] }: GoldenStep): boolean {
  if (cmd.includes('--skip-xattrs') && cmd.includes('--user-xattrs')) return false;
  return tool === 'C' && !cmd.some((word) => /^(?:--help|-h|--hardlinks)$/.test(word));
}

test('images of the recorded tree have the ids that the C tool printed', async () => {
  using temp = makeTempDir();
  // The dumpfile is that of an image with whiteouts, whose root says so; the source had no such attributes.
  const source = join(temp.path, 'dump');
  const mark = / trusted\.overlay\.opaque=x user\.overlay\.opaque=x$/m;
  writeFileSync(source, readFileSync(DUMP, 'latin1').replace(mark, ''), 'latin1');
  const steps = readGolden<GoldenStep[]>('c-tools/mkcomposefs.json');
  const printing = steps.filter(
    ({ cmd = [], tool }) =>
      tool === 'C' &&
      cmd.includes('--print-digest-only') &&
      cmd.at(-1) === '$W/t' &&
      cmd
        .slice(1, -1)
        .every((word) => /^(?:--(?:print-digest|m(?:in|ax)-version)\S*|1)$/.test(word)),
  );
  const differences = await replayTools(
    printing.map((step) => ({ ...step, cmd: [...(step.cmd ?? []), '--from-file'] })),
    {
      tools: TOOLS,
      place: (text) => text.replace('$W/t', source),
      look: () => 'all',
    },
  );
  assert.ok(printing.length > 5);
  assert.deepEqual(differences, []);
});

test('mkcomposefs accepts and refuses the recorded command lines of the C tool', async () => {
  using temp = makeTempDir();
  await makeScene(temp.path, mkcomposefs);
  const steps = readGolden<GoldenStep[]>('c-tools/mkcomposefs.json');
  const differences = await replayTools(steps, {
    tools: TOOLS,
    place: (text) => text.replaceAll('$W', temp.path),
    look: (step) => (isCompared(step) && step['stdin'] === undefined ? 'status' : 'skip'),
  });
  assert.deepEqual(differences, []);
});

test('composefs-info prints what the C tool printed', async () => {
  using temp = makeTempDir();
  await makeScene(temp.path, mkcomposefs);
  const image = readFileSync(join(temp.path, 'a.img'));
  writeFileSync(join(temp.path, 'cut.img'), image.subarray(0, 6000));
  writeFileSync(join(temp.path, 'flip.img'), image.fill(0xff, 1024, 1025));
  const differences = await replayTools(readGolden('c-tools/composefs-info.json'), {
    tools: TOOLS,
    place: (text) => text.replaceAll('$W', temp.path),
    look: (step) => {
      const object = join(
        temp.path,
        'store/06/85d728658a2a9517b1da8da6a35106c74ffcf869fc36f0f318f6890a944146',
      );
      if (step['note'] === 'first object removed') rmSync(object, { force: true });
      if (!isCompared(step)) return 'skip';
      // "Def" is a left-over of the C tool.
      return step.cmd?.[1] === 'measure-file' || step.stdout === 'Def\n' ? 'status' : 'all';
    },
  });
  assert.deepEqual(differences, []);
});
