/**
 * Recorded runs of `cfsctl` on damaged repositories: what it prints and its exit codes after each damage, and what `gc` and a second pull leave.
 */
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { badImageMagic } from '../../damaged/bad-image-magic.ts';
import { extraErofsFormat } from '../../damaged/extra-erofs-format.ts';
import { fileAmongRefs } from '../../damaged/file-among-refs.ts';
import { flippedFileObject } from '../../damaged/flipped-file-object.ts';
import { junkObjectName } from '../../damaged/junk-object-name.ts';
import { missingFileObject } from '../../damaged/missing-file-object.ts';
import { missingLayerLink } from '../../damaged/missing-layer-link.ts';
import { missingMeta } from '../../damaged/missing-meta.ts';
import { newerMetaVersion } from '../../damaged/newer-meta-version.ts';
import { strayStagingFile } from '../../damaged/stray-staging-file.ts';
import { truncatedLayerStream } from '../../damaged/truncated-layer-stream.ts';
import { unknownErofsFormat } from '../../damaged/unknown-erofs-format.ts';
import { unknownIncompatibleFeature } from '../../damaged/unknown-incompatible-feature.ts';
import { wrongStreamAlgorithm } from '../../damaged/wrong-stream-algorithm.ts';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { findingsOf, isRandom, type Mismatch, replay } from './replay.ts';

interface Scene {
  readonly case: string;
  readonly steps: readonly GoldenStep[];
}

const SCENES = readGolden<readonly Scene[]>('cli/damage.json');

/** What is done in each case, in their order. */
const DAMAGES: readonly ((repository: string) => void)[] = [
  flippedFileObject,
  missingFileObject,
  truncatedLayerStream,
  wrongStreamAlgorithm,
  badImageMagic,
  missingLayerLink,
  junkObjectName,
  fileAmongRefs,
  strayStagingFile,
  missingMeta,
  newerMetaVersion,
  unknownIncompatibleFeature,
  writesMeta({ algorithm: 'fsverity-sha256-12', features: { compatible: ['zz'] }, later: true }),
  writesMeta({ algorithm: 'fsverity-sha512-12', features: {} }),
  extraErofsFormat,
  unknownErofsFormat,
];

/** Without the mark of version 1, so that images are of version 2. */
function writesMeta(meta: object): (repository: string) => void {
  return (repository) =>
    writeFileSync(join(repository, 'meta.json'), JSON.stringify({ version: 1, ...meta }));
}

/**
 * Steps that differ on purpose, by the number of the case: `gc` ignores what does not belong into a repository; and one list of objects holds
 * that of a manifest, which is random.
 */
const DIFFERING: Readonly<Record<number, readonly number[]>> = {
  6: [10, 11],
  7: [10, 11],
  13: [3],
};

const temp = makeTempDir();
const whole = join(temp.path, 'whole');
after(() => temp[Symbol.dispose]());

before(async () => {
  const made = SCENES[0]?.steps.slice(0, 2) ?? [];
  const steps = made.map(({ cmd = [] }) => ({
    cmd: cmd.map((word) => word.replace('$W/r', whole)),
  }));
  for (const { what, found } of await replay(steps, { repo: whole, scratch: temp.path })) {
    if (what === 'exit code') assert.equal(found, '0');
  }
});

/** Findings and their reasons have our order and words. */
function isWording({ what, expected, found }: Mismatch): boolean {
  return what === 'stdout' && findingsOf(expected) === findingsOf(found);
}

for (const [number, scene] of SCENES.entries()) {
  test(`cfsctl does as recorded after: ${scene.case}`, async () => {
    using scratch = makeTempDir();
    const repo = join(scratch.path, 'r');
    cpSync(whole, repo, { recursive: true, verbatimSymlinks: true });
    DAMAGES[number]?.(repo);
    const mismatches = await replay(scene.steps.slice(2), { repo, scratch: scratch.path });
    const rest = mismatches.filter((one) => !isRandom(one) && !isWording(one));
    const listed = DIFFERING[number] ?? [];
    assert.deepEqual(
      rest.filter(({ step }) => !listed.includes(step + 2)),
      [],
    );
    assert.equal(new Set(rest.map(({ step }) => step)).size, listed.length);
  });
}
