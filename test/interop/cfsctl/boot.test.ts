/**
 * Recorded runs of `cfsctl` with bootable images and boot entries, done by our program of that name, step by step.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ObjectId } from '#base/digest';
import { initRepository } from '#stores/composefs';
import { matchBootImage, prepareBoot } from '#work/boot';
import { openOciImage } from '#work/image';
import { pullImage } from '#work/pull-image';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { describeRepository } from '../../support/repository-tree.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { replay } from './replay.ts';

const CASES = fileURLToPath(new URL('../../golden/cfsctl/boot/', import.meta.url));

for (const name of readdirSync(CASES)) {
  test(`cfsctl boots ${name} as recorded`, async () => {
    using temp = makeTempDir();
    const steps = readGolden<GoldenStep[]>(`boot/${name}/sha256-v1.json`);
    for (const folder of ['bd', 'bd2', 'bd-2']) mkdirSync(join(temp.path, folder));
    const places = { repo: join(temp.path, 'r'), scratch: temp.path };
    const layout = join(CASES, name, 'layout');
    const placed = steps.map((step) => placedIn(step, layout));
    const look = (step: GoldenStep) => assertListing(step, temp.path);
    assert.deepEqual(await replay(placed, places, { isSkipped: isOther, look }), []);
  });
}

/** The original cannot pull into a repository of version 0. */
function isOther({ cmd }: GoldenStep): boolean {
  return cmd?.some((text) => text.endsWith('-0')) === true;
}

function placedIn(step: GoldenStep, layout: string): GoldenStep {
  const { cmd } = step;
  return cmd === undefined
    ? step
    : { ...step, cmd: cmd.map((text) => text.replaceAll('$LAYOUT', layout)) };
}

/** Compares what was written into the boot partition and beside the repository. */
function assertListing(step: GoldenStep, scratch: string): void {
  const folders = { bootdir: 'bd', bootdir2: 'bd2', 'bootdir-v2': 'bd-2', state: 'state' };
  for (const [key, folder] of Object.entries(folders)) {
    const listed = step[key];
    if (!Array.isArray(listed)) continue;
    const path = join(scratch, folder);
    const found = existsSync(path) ? describeRepository(path) : [];
    assert.deepEqual(found, listed, key);
  }
}

test('the boot entry has the recorded lines', async () => {
  using temp = makeTempDir();
  const steps = readGolden<GoldenStep[]>('boot/bls/sha256-v1.json');
  const end = steps.findIndex((step) => 'bootdir2' in step);
  for (const folder of ['bd', 'bd2']) mkdirSync(join(temp.path, folder));
  const layout = join(CASES, 'bls/layout');
  const places = { repo: join(temp.path, 'r'), scratch: temp.path };
  await replay(
    steps.slice(0, end).map((step) => placedIn(step, layout)),
    places,
  );
  const files = steps.slice(0, end + 3).filter((step) => typeof step['file'] === 'string');
  for (const step of files) {
    const [a, b] = ['bd', 'bd2'].map((folder) => join(temp.path, folder, String(step['file'])));
    const path = existsSync(a as string) ? (a as string) : (b as string);
    assert.equal(readFileSync(path, 'utf8'), step['text']);
  }
  assert.ok(files.length >= 2);
});

/** What a refused step says, by the code of its error. */
const REFUSED = [
  ['no-entries', 'BOOT_ENTRY_NOT_FOUND'],
  ['aboot-two', 'BOOT_RESOURCES_CONFLICT'],
  ['uki-truncated', 'BOOT_FILE_INVALID'],
] as const;

for (const [name, code] of REFUSED) {
  test(`prepare-boot of ${name} is refused with ${code}`, async () => {
    using temp = makeTempDir();
    const { repository } = await initRepository(join(temp.path, 'r'), {
      algorithm: 'sha256',
      insecure: true,
    });
    using open = repository;
    await pullImage(open, `oci:${join(CASES, name, 'layout')}`, { name: 'b', reading: 'cfsctl' });
    const options = { bootDirectory: temp.path, args: [], stateParent: temp.path };
    await assert.rejects(prepareBoot(open, openOciImage(open, 'b'), options), { code });
  });
}

test('prepare-boot refuses a unified kernel image built for another image', async () => {
  using temp = makeTempDir();
  const { repository } = await initRepository(join(temp.path, 'r'), {
    algorithm: 'sha256',
    insecure: true,
    formats: { default: 2, extra: [] },
  });
  using open = repository;
  await pullImage(open, `oci:${join(CASES, 'uki/layout')}`, { name: 'b', reading: 'cfsctl' });
  const options = { bootDirectory: temp.path, args: [], stateParent: temp.path };
  const refused = prepareBoot(open, openOciImage(open, 'b'), options);
  await assert.rejects(refused, { code: 'BOOT_IMAGE_MISMATCH' });
  const matched = matchBootImage(open, 'b', '0'.repeat(64) as ObjectId);
  await assert.rejects(matched, {
    code: 'BOOT_IMAGE_NOT_MATCHED',
    details: { expected: '0'.repeat(64), tried: 4 },
  });
});
