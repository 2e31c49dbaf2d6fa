/**
 * Recorded runs on the tree of a layer with every type of file, unpacked by tar: ids, dumpfiles and kernel arguments in every format, images,
 * their files and mounts; then the tools of the composefs project on the same tree.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { main as composefsInfo } from '../../../src/faces/compat/composefs-info.ts';
import { main as mkcomposefs } from '../../../src/faces/compat/mkcomposefs.ts';
import { needs } from '../../support/capability.ts';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { replayTools } from './compat-tools.ts';
import { replay } from './replay.ts';

const LAYER = fileURLToPath(
  new URL(
    '../../golden/cfsctl/oci/types/layout/blobs/sha256/2ac9739964b555fd4db96d5b6f41f91f4f0e2381408cd889d5838ace462652e6',
    import.meta.url,
  ),
);
const GOLDEN = readGolden<Readonly<Record<string, readonly GoldenStep[]>>>('tree/types.json');
const TIME = 1_700_000_000;

function unpackTree(scratch: string): string {
  const tree = join(scratch, 'tree');
  mkdirSync(tree, { mode: 0o755 });
  const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpzf', LAYER, '-C', tree];
  const { status, stderr } = spawnSync('tar', options, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  utimesSync(tree, TIME, TIME);
  return tree;
}

function addBootFolders(tree: string): void {
  for (const name of ['boot', 'sysroot']) {
    mkdirSync(join(tree, name));
    utimesSync(join(tree, name), TIME, TIME);
  }
  utimesSync(tree, TIME, TIME);
}

test('cfsctl reads a tree, stores it and shows it as recorded', async (t: TestContext) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  const tree = unpackTree(temp.path);
  const places = { repo: join(temp.path, 'r'), scratch: temp.path };
  const steps = GOLDEN['cfsctl'] ?? [];
  const lastGc = steps.findLastIndex(({ cmd }) => cmd?.at(-1) === 'gc');
  const mismatches = await replay(steps, places, {
    look: (step, index) => {
      if (String(step['input'] ?? '').startsWith('added empty')) addBootFolders(tree);
      if (index !== lastGc) return;
      for (const name of ['named', 'imported']) rmSync(join(places.repo, 'images/refs', name));
    },
    input: ({ stdin }) => {
      const [, id] = /^the bytes of (\S+)$/.exec(String(stdin)) ?? [];
      return id === undefined ? Buffer.from(String(stdin)) : readFileSync(join(places.repo, id));
    },
    isSkipped: ({ cmd = [] }) => cmd.includes('mount'),
  });
  // What is no image is not imported, so that nothing has to be found and removed afterwards.
  const first = steps.findIndex(({ cmd }) => cmd?.at(-1) === 'junk');
  const last = steps.findIndex(({ cmd }, index) => index > first && cmd?.at(-1) === 'gc');
  assert.deepEqual(
    mismatches.filter(({ step }) => step < first || step > last),
    [],
  );
  assert.equal(mismatches[0]?.step, first);
});

test('the tools of the composefs project do with that tree as recorded', async (t: TestContext) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  addBootFolders(unpackTree(temp.path));
  mkdirSync(join(temp.path, 'C'));
  const steps = GOLDEN['mkcomposefs and composefs-info'] ?? [];
  const differences = await replayTools(steps, {
    tools: { mkcomposefs, 'composefs-info': composefsInfo },
    place: (text) => text.replaceAll('$W', temp.path),
    look: (step) => (step['note'] === 'C 1.0.8' && step['stdin'] === undefined ? 'all' : 'skip'),
  });
  assert.deepEqual(differences, []);
});
