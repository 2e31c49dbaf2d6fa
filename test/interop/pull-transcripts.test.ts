import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isOnecopyError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import { type ErofsVersion, initRepository, openRepository } from '#stores/composefs';
import { computeImageId } from '#work/image';
import { type PullReport, pullImage } from '#work/pull-image';
import { type GoldenStep, readGolden, unpackGoldenRepository } from '../support/golden-repo.ts';
import { describeRepository } from '../support/repository-tree.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const CASES = fileURLToPath(new URL('../golden/cfsctl/oci/', import.meta.url));

/**
 * Where we differ from the real tool on purpose: it fails and we succeed (`ok`), or it accepts what we refuse (the code), or both
 * refuse (the code). Cases that are not named must give the same repository.
 */
const DIFFERENT: Readonly<Record<string, string>> = {
  artifact: 'ok',
  'quirk-bad-blob': 'BLOB_SIZE_MISMATCH',
  'quirk-bad-blob-same-size': 'BLOB_DIGEST_MISMATCH',
  'quirk-bad-config': 'BLOB_DIGEST_MISMATCH',
  'quirk-bad-diffid': 'DIFF_ID_MISMATCH',
  'quirk-diffid-count': 'LAYER_COUNT_MISMATCH',
  'quirk-foreign-arch': 'PLATFORM_NOT_FOUND',
  'quirk-gzip-trailing': 'LAYER_COMPRESSION_INVALID',
  'quirk-hardlink-later': 'LAYER_LINK_INVALID',
  'quirk-hardlink-missing': 'LAYER_LINK_INVALID',
  'quirk-missing-parent': 'ok',
  'quirk-neg-mtime': 'ok',
  'quirk-no-usr': 'ok',
  'quirk-one-zero-block': 'ok',
  'quirk-run-symlink': 'ok',
  'quirk-schema2-layer': 'ok',
  'quirk-sparse-gnu': 'ok',
  'quirk-symlink-parent': 'LAYER_PATH_INVALID',
  'quirk-unknown-type': 'TAR_TYPE_UNKNOWN',
  'quirk-usr-is-file': 'ok',
  'quirk-zero-layers': 'ok',
};

interface Transcript {
  readonly name: string;
  readonly algorithm: VerityAlgorithm;
  readonly version: ErofsVersion;
  readonly steps: readonly GoldenStep[];
}

/** All transcripts of a case; what a newer release does counts where it differs. */
function transcriptsOf(name: string): Transcript[] {
  const files = readdirSync(join(CASES, name)).filter((file) => file.endsWith('.json'));
  const plain = files.filter((file) => /^sha(256|512)-v[012]\.json$/.test(file));
  return plain.map((file) => {
    const newer = file.replace('.json', '.cfsctl-0.9.4.json');
    const steps = readGolden<GoldenStep[]>(`oci/${name}/${files.includes(newer) ? newer : file}`);
    const algorithm = file.startsWith('sha256') ? 'sha256' : 'sha512';
    return { name, algorithm, version: Number(file.at(-6)) as ErofsVersion, steps };
  });
}

/** The pulls up to the first listing of the tree: what was pulled, as what, and what the tool said. */
function pullsOf({ steps, name }: Transcript) {
  const end = steps.findIndex((step) => 'tree_after_pull' in step);
  return steps.slice(0, end).flatMap(({ cmd, stdout, rc }) => {
    const at = cmd?.indexOf('pull') ?? -1;
    const [reference, tag] = at < 0 ? [] : (cmd?.slice(at + 1) ?? []);
    if (reference === undefined || tag === undefined) return [];
    const from = reference.replace('$LAYOUT', join(CASES, name, 'layout'));
    return [{ from, tag, stdout: stdout ?? '', isRecorded: rc === 0 }];
  });
}

/** Leaves the manifest streams out whose layer references upstream writes in random order: what they are named by stays. */
function withoutRandom(lines: readonly string[], isRandom: boolean): string[] {
  if (!isRandom) return [...lines];
  const targets = lines
    .filter((line) => line.startsWith('l streams/oci-manifest-'))
    .map((line) => line.slice(line.indexOf('objects/')));
  return lines
    .filter((line) => !targets.some((target) => line.startsWith('f ') && line.endsWith(target)))
    .map((line) => line.replace(/^(l streams\/oci-manifest-\S+) .*/, '$1'));
}

/** Binary units with two decimals. Source: oci spec 1.4, STATS. */
function human(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(2)} ${['KiB', 'MiB', 'GiB'][unit - 1]}`;
}

/** What the tool prints about this pull. */
function linesOf(report: PullReport): string {
  const { objects, bytes } = report;
  const stats = `${objects.stored} new + ${objects.reused} already present objects; ${human(bytes.stored)} stored, ${human(bytes.inlined)} inlined`;
  return `${[
    `manifest ${report.manifestDigest}`,
    `config   ${report.configDigest}`,
    `verity   ${report.firstManifestStreamId}`,
    `tagged   ${report.name}`,
    `objects  ${stats}`,
  ].join('\n')}\n`;
}

/** The tool leaves the streams of config and manifest behind that it made before it had an image: garbage, which we do not make. */
function withoutGarbage(wanted: string[], ours: readonly string[], pulls: number): string[] {
  const garbage = wanted.filter((line) => line.startsWith('f ') && !ours.includes(line));
  assert.ok(garbage.length <= 2 * pulls, garbage.join(', '));
  return wanted.filter((line) => !garbage.includes(line));
}

async function replay(transcript: Transcript): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { algorithm, version } = transcript;
  const formats = { default: version, extra: [] };
  const made = await initRepository(path, { algorithm, insecure: true, formats });
  using repository = made.repository;
  const pulls = pullsOf(transcript);
  // Not every form of a case was recorded with the release that can pull it.
  const isRecorded = pulls.every((pull) => pull.isRecorded);
  const expected = DIFFERENT[transcript.name] ?? (isRecorded ? undefined : 'ok');
  let layers = 0;
  for (const { from, tag, stdout } of pulls) {
    try {
      const report = await pullImage(repository, from, { name: tag, reading: 'cfsctl' });
      layers = Math.max(layers, report.layers.length);
      if (expected === undefined) assert.equal(linesOf(report), stdout);
      else assert.equal(expected, 'ok');
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      assert.equal(error.code, expected, `${error.stack}`);
      assert.deepEqual(repository.tags.list(), [], 'a failed pull leaves no tag');
      return;
    }
  }
  const tree = describeRepository(path);
  if (expected === undefined) {
    const wanted = transcript.steps.find((step) => 'tree_after_pull' in step) ?? {};
    assert.deepEqual(
      withoutRandom(tree, layers > 1),
      withoutGarbage(
        withoutRandom(wanted['tree_after_pull'] as string[], layers > 1),
        tree,
        pulls.length,
      ),
    );
  }
  for (const { from, tag } of pulls) {
    const again = await pullImage(repository, from, { name: tag, reading: 'cfsctl' });
    assert.equal(again.built, false);
    assert.equal(again.bytes.local, 0, 'nothing is read twice');
  }
  assert.deepEqual(describeRepository(path), tree, 'a second pull changes nothing');
}

for (const name of readdirSync(CASES)) {
  for (const transcript of transcriptsOf(name)) {
    const { algorithm, version } = transcript;
    test(`pulling ${name} gives the recorded result (${algorithm}, V${version})`, async () => {
      await replay(transcript);
    });
  }
}

const ARCHIVES = readdirSync(CASES).flatMap((name) =>
  readdirSync(join(CASES, name))
    .filter((file) => file.startsWith('repo-'))
    // Recorded with a release that could not pull this case.
    .filter(() => name !== 'multiarch-nested-notag')
    .map((file) => ({ name, archive: file.replace('.tar.zst', '') })),
);

for (const { name, archive } of ARCHIVES) {
  test(`a second pull of ${name} into a repository of cfsctl stores nothing (${archive})`, async () => {
    using temp = makeTempDir();
    const path = unpackGoldenRepository(`${name}/${archive}`, temp.path);
    const before = describeRepository(path);
    using repository = await openRepository(path);
    const transcript = transcriptsOf(name)[0];
    assert.ok(transcript !== undefined);
    for (const { from, tag } of pullsOf(transcript)) {
      const report = await pullImage(repository, from, { name: tag, reading: 'cfsctl' });
      assert.equal(report.built, false);
      if (report.kind === 'image')
        assert.equal(await computeImageId(repository, tag), report.imageId);
    }
    assert.deepEqual(describeRepository(path), before);
  });
}
