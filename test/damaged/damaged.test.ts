import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, hasCode } from '#base/errors';
import { type FsckDocument, fsckDocument, renderFsckText } from '#faces/cfsctl';
import {
  applyGc,
  checkRepository,
  collectGarbage,
  openRepository,
  planGc,
} from '#stores/composefs';
import { type GoldenStep, readGolden, unpackGoldenRepository } from '../support/golden-repo.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { badImageMagic } from './bad-image-magic.ts';
import { danglingTag } from './dangling-tag.ts';
import { extraErofsFormat } from './extra-erofs-format.ts';
import { fileAmongRefs } from './file-among-refs.ts';
import { flippedFileObject } from './flipped-file-object.ts';
import { imageUnderWrongName } from './image-under-wrong-name.ts';
import { junkObjectName } from './junk-object-name.ts';
import { lostTableEntry } from './lost-table-entry.ts';
import { missingConfigObject } from './missing-config-object.ts';
import { missingFileObject } from './missing-file-object.ts';
import { missingLayerLink } from './missing-layer-link.ts';
import { missingLayerObject } from './missing-layer-object.ts';
import { missingManifestLink } from './missing-manifest-link.ts';
import { missingManifestObject } from './missing-manifest-object.ts';
import { missingMeta } from './missing-meta.ts';
import { newerMetaVersion } from './newer-meta-version.ts';
import { regularFileAsStream } from './regular-file-as-stream.ts';
import { strayStagingFile } from './stray-staging-file.ts';
import { strayTemporaryLink } from './stray-temporary-link.ts';
import { truncatedLayerStream } from './truncated-layer-stream.ts';
import { unknownCompatibleFeature } from './unknown-compatible-feature.ts';
import { unknownErofsFormat } from './unknown-erofs-format.ts';
import { unknownIncompatibleFeature } from './unknown-incompatible-feature.ts';
import { wrongMetaAlgorithm } from './wrong-meta-algorithm.ts';
import { wrongStreamAlgorithm } from './wrong-stream-algorithm.ts';

type Damage = (repository: string) => void;
type GoldenCase = { readonly case: string; readonly steps: readonly GoldenStep[] };

const GOLDEN = readGolden<readonly GoldenCase[]>('cli/damage.json');

function goldenSteps(name: string): readonly GoldenStep[] {
  const found = GOLDEN.find((entry) => entry.case === name);
  ok(found, `no golden case "${name}"`);
  return found.steps;
}

/** The step whose command, without program and repository, is this. */
function stepOf(steps: readonly GoldenStep[], command: string): GoldenStep | undefined {
  return steps.findLast((step) => step.cmd?.slice(3).join(' ') === command);
}

async function withDamage(damage: Damage, work: (path: string) => Promise<void>): Promise<void> {
  using temp = makeTempDir();
  const path = unpackGoldenRepository('whiteouts/repo-sha256-v1', temp.path);
  damage(path);
  await work(path);
}

/** `kind: path` of an error line. Ids of objects are left out where the real tool's manifest is random. */
function summary(line: string): string {
  const [, kind = '', path = ''] = line.split(': ');
  return kind === 'object-invalid-name' && path.length > 40 ? kind : `${kind}: ${path}`;
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
}

const NAMED: readonly (readonly [name: string, damage: Damage])[] = [
  ['flip first byte of a file object (the 300-byte one)', flippedFileObject],
  ['remove a file object (the 300-byte one)', missingFileObject],
  ['truncate the first layer splitstream object (by name) by 10 bytes', truncatedLayerStream],
  ['flip byte 14 (algorithm) of the config splitstream', wrongStreamAlgorithm],
  ['flip byte 1024 (EROFS magic) of the image', badImageMagic],
  ['remove streams/oci-layer link (first by name)', missingLayerLink],
  ['junk file name in objects/00', junkObjectName],
  ['regular file in streams/refs', fileAmongRefs],
  ['stray .tmp-object file in objects/', strayStagingFile],
  ['meta.json removed', missingMeta],
  ['meta.json: unknown compatible feature and key', unknownCompatibleFeature],
  ['meta.json: sha512 algorithm over sha256 objects', wrongMetaAlgorithm],
  ['meta.json: erofs_formats default 1 extra [2]', extraErofsFormat],
];

for (const [name, damage] of NAMED) {
  test(`fsck counts objects and names damage as cfsctl does: ${name}`, () =>
    withDamage(damage, async (path) => {
      const steps = goldenSteps(name);
      // The tool writes a lost meta.json anew without a word.
      using repository = await openRepository(path, { upgrade: true });
      const report = await checkRepository(repository);
      const text = stepOf(steps, 'fsck')?.stdout ?? '';
      const counts = (lines: string) => lines.slice(0, lines.indexOf('status: '));
      equal(counts(renderFsckText(report)), counts(text));
      const errors = text.split('\n').filter((line) => line.startsWith('  - '));
      deepEqual(
        fsckDocument(report).errors.map(summary).sort(),
        errors.map((line) => summary(line.slice(4))).sort(),
      );
      const golden = stepOf(steps, 'fsck --json')?.stdout;
      if (golden === undefined) return;
      const expected = JSON.parse(golden) as FsckDocument;
      deepEqual({ ...fsckDocument(report), errors: [] }, { ...expected, errors: [] });
      deepEqual(Object.keys(fsckDocument(report)), Object.keys(expected));
    }));
}

for (const [name, damage] of NAMED) {
  const golden = stepOf(goldenSteps(name), 'fsck --metadata-only');
  if (golden === undefined) continue;
  test(`fsck --metadata-only finds what cfsctl finds: ${name}`, () =>
    withDamage(damage, async (path) => {
      using repository = await openRepository(path, { upgrade: true });
      const report = await checkRepository(repository, { metadataOnly: true });
      equal(report.ok, golden.rc === 0);
      equal(renderFsckText(report).split('\n')[1], 'objects: 0/0 ok');
    }));
}

for (const [name, damage, code] of [
  ['version 2', newerMetaVersion, 'REPO_VERSION_UNSUPPORTED'],
  ['unknown incompatible feature', unknownIncompatibleFeature, 'REPO_FEATURE_UNKNOWN'],
  ['erofs_formats default 7', unknownErofsFormat, 'REPO_METADATA_INVALID'],
] as const satisfies readonly (readonly [string, Damage, ErrorCode])[]) {
  test(`a repository with an unsupported or invalid meta.json is not opened: ${name}`, () =>
    withDamage(damage, async (path) => {
      const step = goldenSteps(`meta.json: ${name}`).find(({ rc }) => rc === 1);
      ok(step, 'the real tool refuses it too');
      await rejects(openRepository(path), (error) => hasCode(error, code));
    }));
}

/** Objects the healthy repository of this fixture has to spare: manifest and config from before the image was added. */
const SPARE = { objectsRemoved: 2, objectsBytes: 894 } as const;

for (const [why, damage, expected] of [
  ['no damage', () => {}, SPARE],
  ['a flipped file object', flippedFileObject, SPARE],
  ['a missing file object', missingFileObject, SPARE],
  ['a stream with a truncated body', truncatedLayerStream, SPARE],
  ['an image with a bad magic', badImageMagic, SPARE],
  ['a missing name of a layer', missingLayerLink, SPARE],
  ['a missing splitstream of a layer', missingLayerObject, SPARE],
  ['a junk name among the objects', junkObjectName, SPARE],
  ['a regular file among the references', fileAmongRefs, SPARE],
  ['a tag that never led anywhere', danglingTag, SPARE],
  [
    'a missing name of the tagged manifest',
    missingManifestLink,
    { objectsRemoved: 0, objectsBytes: 0 },
  ],
  ['a missing splitstream of the tagged manifest', missingManifestObject, undefined],
] as const satisfies readonly (readonly [string, Damage, object | undefined])[]) {
  test(`gc deletes no object that the image needs: ${why}`, () =>
    withDamage(damage, async (path) => {
      const layers = layerObjects(path);
      using repository = await openRepository(path);
      const result = await collectGarbage(repository);
      if (expected !== undefined) {
        const { objectsRemoved, objectsBytes } = result;
        deepEqual({ objectsRemoved, objectsBytes }, expected);
      }
      deepEqual(layerObjects(path), layers);
    }));
}

/** File objects and layer streams of the fixture that are on the disk: everything but the small documents. */
function layerObjects(path: string): string[] {
  const sizes = new Set([100, 70, 300, 3000, 200, 363, 485, 475, 738, 710, 16384]);
  return filesBelow(join(path, 'objects')).filter((name) => {
    const file = join(path, 'objects', name);
    return name.length > 60 && sizes.has(statSync(file).size);
  });
}

for (const [why, damage] of [
  ['the stream of the config has a bad header', wrongStreamAlgorithm],
  ['a flipped length hides the objects of a layer', lostTableEntry],
  ['meta.json names the wrong algorithm', wrongMetaAlgorithm],
] as const satisfies readonly (readonly [string, Damage])[]) {
  test(`gc refuses and changes nothing when ${why}`, () =>
    withDamage(damage, async (path) => {
      const before = filesBelow(path);
      using repository = await openRepository(path);
      await rejects(collectGarbage(repository), (error) => hasCode(error, 'GC_UNREADABLE'));
      await rejects(planGc(repository), (error) => hasCode(error, 'GC_UNREADABLE'));
      deepEqual(filesBelow(path), before);
    }));
}

test('gc keeps layers and config bytes whose splitstream is missing', () =>
  withDamage(missingConfigObject, async (path) => {
    const before = sizesOf(path);
    using repository = await openRepository(path);
    const { findings } = await collectGarbage(repository);
    deepEqual(
      findings.map(({ kind }) => kind),
      ['missing-named-ref', 'rescued-root'],
    );
    const left = new Set(sizesOf(path));
    const removed = before.filter((size) => !left.has(size));
    deepEqual(
      removed,
      [16384, 488],
      'the image, which the layers can rebuild, and an old manifest',
    );
  }));

/** Sizes of all objects. */
function sizesOf(path: string): number[] {
  return filesBelow(join(path, 'objects'))
    .filter((name) => name.length > 60)
    .map((name) => statSync(join(path, 'objects', name)).size);
}

test('gc reports what it kept for a tag whose manifest stream lost its name', () =>
  withDamage(missingManifestLink, async (path) => {
    using repository = await openRepository(path);
    const plan = await planGc(repository);
    deepEqual(
      plan.findings.map(({ kind }) => kind),
      ['broken-symlink', 'rescued-root'],
    );
    equal((await applyGc(repository, plan)).objectsRemoved, plan.objects.length);
  }));

test('gc lists the leftovers of a killed writer in its plan, and removes them', () =>
  withDamage(strayStagingFile, async (path) => {
    strayTemporaryLink(path);
    using repository = await openRepository(path);
    equal(repository.tags.remove('img'), true);
    const plan = await planGc(repository);
    deepEqual(plan.leftovers, [
      'objects/.tmp-object-abcdefghijkl',
      'streams/refs/oci/.symlink-abcdefghijkl',
    ]);
    ok(existsSync(join(path, plan.leftovers[0] ?? '')), 'planning removes nothing');
    const result = await applyGc(repository, plan);
    equal(result.leftoversRemoved, 2);
    equal(result.streamsPruned, 5);
    equal(result.imagesPruned, 1);
    deepEqual([...repository.objects.list()], []);
    deepEqual(
      filesBelow(path).filter((name) => name.includes('.symlink-') || name.includes('.tmp-')),
      [],
    );
  }));

for (const [why, damage, kinds] of [
  ['a regular file in the place of a stream', regularFileAsStream, ['entry-not-symlink']],
  ['an image under a name that is not its id', imageUnderWrongName, ['entry-wrong-target']],
  ['a tag that dangles', danglingTag, ['broken-symlink']],
  [
    'a missing splitstream of the config',
    missingConfigObject,
    ['broken-symlink', 'missing-named-ref'],
  ],
  ['a table that lost its entries', lostTableEntry, ['object-digest-mismatch']],
] as const satisfies readonly (readonly [string, Damage, readonly string[]])[]) {
  test(`fsck reports ${why}`, () =>
    withDamage(damage, async (path) => {
      using repository = await openRepository(path);
      const { findings, ok: isFine } = await checkRepository(repository);
      equal(isFine, false);
      deepEqual(findings.map(({ kind }) => kind).sort(), kinds);
    }));
}
