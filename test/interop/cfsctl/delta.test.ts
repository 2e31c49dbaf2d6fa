/**
 * Recorded pulls of deltas between two images, done by our `cfsctl`: the image that comes out, its layers, and the store that is left.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { initRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { isRandom, type Mismatch, replay } from './replay.ts';

const CASES = readGolden<readonly (readonly GoldenStep[])[]>('delta/apply.json');
const ARCHIVE = new URL('../../golden/cfsctl/delta/layouts.tar.zst', import.meta.url);

let folder: TempDir;
before(() => {
  folder = makeTempDir();
  const input = zstdDecompressSync(readFileSync(ARCHIVE));
  assert.equal(spawnSync('tar', ['xpf', '-', '-C', folder.path], { input }).status, 0);
});
after(() => folder[Symbol.dispose]());

/**
 * A base with an image of another version serves, and so does a layer of several gzip members: the original refuses both. Objects of a layer
 * that turned out wrong are left without a name, as after every pull that fails.
 */
const BETTER = new Set(['v1', 'gzip-layer-two-members']);
const LEAVES_OBJECTS = new Set(['wrong-result']);

function isBetter(name: string, { command, what, step }: Mismatch): boolean {
  if (name === 'v1') return command.includes('r-mix') && command.includes(' oci pull ');
  if (BETTER.has(name)) return step >= 2;
  return LEAVES_OBJECTS.has(name) && what === 'stdout' && / (?:fsck|gc)$/.test(command);
}

for (const [{ case: title } = { case: '' }, ...steps] of CASES as readonly (readonly (GoldenStep & {
  readonly case?: string;
})[])[]) {
  const name = String(title);
  test(`cfsctl applies the delta ${name} as recorded`, async () => {
    using temp = makeTempDir();
    const places = { repo: join(temp.path, 'r'), scratch: temp.path, delta: folder.path };
    const mismatches = await replay(steps, places, {
      look: ({ cmd }) => {
        if (cmd?.some((text) => text.startsWith('oci-archive:')) === true) archive(temp.path);
      },
    });
    assert.deepEqual(
      mismatches.filter((one) => !isRandom(one) && !isBetter(name, one)),
      [],
    );
  });
}

/** The archive that the transcript pulls from. */
function archive(scratch: string): void {
  const done = spawnSync('tar', ['cf', join(scratch, 'd.tar'), '-C', join(folder.path, 'v1'), '.']);
  assert.equal(done.status, 0);
}

/** What a refused delta says, by the code of its error. */
const REFUSED = [
  ['no-source-image', 'IMAGE_DELTA_BASE_MISSING'],
  ['no-layer-blob', 'IMAGE_DELTA_BASE_MISSING'],
  ['bad-source-annotation', 'IMAGE_DELTA_INVALID'],
  ['no-manifest', 'IMAGE_DELTA_INVALID'],
  ['no-config', 'IMAGE_DELTA_INVALID'],
  ['to-other-digest', 'IMAGE_DELTA_INVALID'],
  ['open-symlink', 'TREE_PATH_NOT_FOUND'],
  ['open-dotslash', 'LAYER_DIFF_INVALID'],
  ['bad-magic', 'LAYER_DIFF_INVALID'],
  ['bad-opcode', 'LAYER_DIFF_INVALID'],
  ['copy-past-end', 'LAYER_DIFF_INVALID'],
  ['truncated-op', 'LAYER_DIFF_INVALID'],
  ['wrong-result', 'DIFF_ID_MISMATCH'],
] as const;

for (const [name, code] of REFUSED) {
  test(`the delta ${name} is refused with ${code}, and nothing has its name`, async () => {
    using temp = makeTempDir();
    mkdirSync(join(temp.path, 'x'));
    const { repository } = await initRepository(join(temp.path, 'r'), {
      algorithm: 'sha256',
      insecure: true,
    });
    using open = repository;
    await pullImage(open, `oci:${join(folder.path, 'old')}`, { name: 'old' });
    const from = `oci:${join(folder.path, name)}`;
    await assert.rejects(pullImage(open, from, { name: 'new' }), { code });
    assert.deepEqual(
      open.tags.list().map((tag) => tag.name),
      ['old'],
    );
  });
}
