import { deepEqual, equal, ok } from 'node:assert/strict';
import { readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeContentDigest } from '#base/digest';
import { type OciFsckDocument, ociFsckDocument, renderOciFsckText } from '#faces/cfsctl';
import { objectPath } from '#formats/fsverity';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import { openRepository, type Repository } from '#stores/composefs';
import { flippedFileObject } from '../../../test/damaged/flipped-file-object.ts';
import { missingFileObject } from '../../../test/damaged/missing-file-object.ts';
import { missingLayerLink } from '../../../test/damaged/missing-layer-link.ts';
import { objectOfStream } from '../../../test/damaged/paths.ts';
import { wrongStreamAlgorithm } from '../../../test/damaged/wrong-stream-algorithm.ts';
import {
  type GoldenStep,
  readGolden,
  unpackGoldenRepository,
} from '../../../test/support/golden-repo.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { checkOciImages, checkRepository } from './index.ts';

type Work = (repository: Repository, path: string) => Promise<void>;

async function withGolden(name: string, damage: (path: string) => void, work: Work): Promise<void> {
  using temp = makeTempDir();
  const path = unpackGoldenRepository(name, temp.path);
  damage(path);
  using repository = await openRepository(path);
  await work(repository, path);
}

function unharmed(): void {}

function withWhiteouts(damage: (path: string) => void, work: Work): Promise<void> {
  return withGolden('whiteouts/repo-sha256-v1', damage, work);
}

async function kindsOf(repository: Repository, options = {}): Promise<string[]> {
  return (await checkOciImages(repository, options)).findings.map(({ kind }) => kind);
}

/** Lines about OCI images in the output of the real tool, reduced to kind and tag. */
function ociLines(text: string): string[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('oci images:'));
  return lines.slice(start).map((line) => line.split(': ').slice(0, 3).join(': '));
}

const DAMAGE =
  readGolden<readonly { case: string; steps: readonly GoldenStep[] }[]>('cli/damage.json');

for (const [name, damage] of [
  ['flip first byte of a file object (the 300-byte one)', flippedFileObject],
  ['remove a file object (the 300-byte one)', missingFileObject],
  ['flip byte 14 (algorithm) of the config splitstream', wrongStreamAlgorithm],
  ['remove streams/oci-layer link (first by name)', missingLayerLink],
] as const) {
  test(`check counts OCI images and names damage as cfsctl does: ${name}`, () =>
    withWhiteouts(damage, async (repository) => {
      const steps = DAMAGE.find((entry) => entry.case === name)?.steps ?? [];
      const step = steps.find(({ cmd }) => cmd?.slice(-2).join(' ') === 'oci fsck');
      const text = renderOciFsckText(
        await checkRepository(repository),
        await checkOciImages(repository),
      );
      deepEqual(ociLines(text), ociLines(step?.stdout ?? ''));
    }));
}

test("a label that names a missing image is reported, in the same document as cfsctl's", () =>
  withGolden('labelled/repo-sha256-v1', unharmed, async (repository) => {
    const report = await checkOciImages(repository);
    const steps = readGolden<readonly GoldenStep[]>('oci/labelled/sha256-v1.json');
    const step = steps.find(({ cmd }) => cmd?.slice(-3).join(' ') === 'oci fsck --json');
    const expected = JSON.parse(step?.stdout ?? '') as OciFsckDocument;
    const document = ociFsckDocument(await checkRepository(repository), report);
    equal(document.errors.length, 1);
    ok(document.errors[0]?.startsWith('fsck: seal-image-missing: img: 0000'));
    deepEqual({ ...document, errors: [] }, { ...expected, errors: [] });
    deepEqual(Object.keys(document), Object.keys(expected));
  }));

for (const name of [
  'artifact-platform/repo-sha256-v1',
  'basic/repo-sha512-v2',
  'bootable/repo-sha256-v1',
  'multiarch-flat/repo-sha256-v1',
  'sizes/repo-sha256-v1',
  'two-tags/repo-sha256-v1',
  'types/repo-sha512-v2',
  'whiteouts/repo-sha256-v1',
  'zstd-plain/repo-sha256-v1',
]) {
  test(`layers hash to their diff ids, and rebuilt images have their recorded ids: ${name}`, () =>
    withGolden(name, unharmed, async (repository) => {
      const report = await checkOciImages(repository, { content: true, rebuild: true });
      deepEqual(report.findings, []);
      ok(report.imagesChecked >= 1);
    }));
}

test('a layer whose stream rebuilds other bytes is reported only when content is read', () =>
  withWhiteouts(unharmed, async (repository, path) => {
    const { algorithm } = repository;
    const layer = repository.streams.list().find(({ name }) => name.startsWith('oci-layer-'));
    ok(layer?.id);
    // A valid stream of other content, stored under the id that the config refers to.
    const writer = new SplitstreamWriter({ algorithm, contentType: CONTENT_TYPES.ociLayer });
    writer.writeInline(Buffer.alloc(1024));
    const other = repository.objects.ensureBytes(await writer.finish()).id;
    renameSync(
      join(path, 'objects', objectPath(other)),
      join(path, 'objects', objectPath(layer.id)),
    );
    deepEqual(await kindsOf(repository), []);
    const [finding] = (await checkOciImages(repository, { content: true })).findings;
    equal(finding?.kind, 'layer-check-failed', 'its object does not have the digest that names it');
  }));

test('a wrong diff id that cfsctl accepted is reported when content is read', () =>
  withWhiteouts(unharmed, async (repository) => {
    const image = await storeImage(repository, `sha256:${'1'.repeat(64)}`);
    repository.tags.remove('img');
    repository.tags.set('wrong', image);
    deepEqual(await kindsOf(repository), []);
    deepEqual(await kindsOf(repository, { content: true }), ['layer-diff-id-mismatch']);
  }));

/** Stores an image of one empty layer under a given diff id. */
async function storeImage(repository: Repository, diffId: string) {
  const { algorithm } = repository;
  const document = async (
    value: unknown,
    type: bigint,
    refs: readonly (readonly [string, string])[],
  ) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const writer = new SplitstreamWriter({ algorithm, contentType: type });
    for (const [name, id] of refs) writer.addNamedRef(name, id as never);
    writer.writeExternal(repository.objects.ensureBytes(bytes).id, bytes.length);
    return {
      content: await writer.finish(),
      digest: computeContentDigest(bytes),
      size: bytes.length,
    };
  };
  const layer = new SplitstreamWriter({ algorithm, contentType: CONTENT_TYPES.ociLayer });
  layer.writeInline(Buffer.alloc(1024));
  const layerId = repository.streams.publish(`oci-layer-${diffId}`, await layer.finish());
  const mediaType = 'application/vnd.oci.image.config.v1+json';
  const config = await document(
    { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } },
    CONTENT_TYPES.ociConfig,
    [[diffId, layerId]],
  );
  const configId = repository.streams.publish(`oci-config-${config.digest}`, config.content);
  const manifest = await document(
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType, digest: config.digest, size: config.size },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: diffId, size: 1024 }],
    },
    CONTENT_TYPES.ociManifest,
    [[`config:${config.digest}`, configId]],
  );
  repository.streams.publish(`oci-manifest-${manifest.digest}`, manifest.content);
  return manifest.digest;
}

for (const [kind, damage] of [
  ['manifest-read-failed', (path: string) => rmSync(objectOfStream(path, 'oci-manifest-'))],
  ['config-read-failed', (path: string) => rmSync(objectOfStream(path, 'oci-config-'))],
  ['layer-object-missing', (path: string) => rmSync(objectOfStream(path, 'oci-layer-'))],
  [
    'manifest-read-failed',
    (path: string) => writeFileSync(objectOfStream(path, 'oci-manifest-'), ''),
  ],
] as const) {
  test(`missing and damaged streams are reported: ${kind}`, () =>
    withWhiteouts(damage, async (repository) => {
      deepEqual(await kindsOf(repository), [kind]);
    }));
}

test('a manifest stored under another digest is reported as a digest mismatch', () =>
  withWhiteouts(
    (path) => {
      const streams = join(path, 'streams');
      const name = readdirSync(streams).find((entry) => entry.startsWith('oci-manifest-')) ?? '';
      const wrong = `oci-manifest-sha256:${'2'.repeat(64)}`;
      renameSync(join(streams, name), join(streams, wrong));
      symlinkSync(`../../${wrong}`, join(streams, 'refs/oci/wrong'));
    },
    async (repository) => {
      deepEqual(await kindsOf(repository, { names: ['wrong'] }), ['manifest-digest-mismatch']);
    },
  ));

test('unknown, dangling and invalid tag names are reported', () =>
  withWhiteouts(
    (path) => {
      const refs = join(path, 'streams/refs/oci');
      symlinkSync(`../../oci-manifest-sha256:${'0'.repeat(64)}`, join(refs, 'dangling'));
      symlinkSync(`../../oci-manifest-sha256:${'0'.repeat(64)}`, join(refs, '@bad'));
    },
    async (repository) => {
      deepEqual(await kindsOf(repository, { names: ['nosuch'] }), ['ref-resolve-failed']);
      deepEqual(await kindsOf(repository), [
        'invalid-ref-name',
        'manifest-read-failed',
        'manifest-read-failed',
      ]);
    },
  ));

test('check reads a layer once, though several tags and images use it', () =>
  withWhiteouts(unharmed, async (repository) => {
    const [tag] = repository.tags.list();
    ok(tag);
    const { objects } = repository;
    const original = objects.reader.bind(objects);
    let layersRead = 0;
    objects.reader = () => {
      layersRead += 1;
      return original();
    };
    const options = { content: true, rebuild: true };
    deepEqual(await kindsOf(repository, options), []);
    const once = layersRead;
    ok(once > 0);
    const target = `oci-manifest-${tag.manifestDigest}`;
    repository.refs.set('streams', 'oci/second', target);
    deepEqual(await kindsOf(repository, options), []);
    equal(layersRead, 2 * once);
    rmSync(join(repository.root.label, 'streams', `oci-layer-${layerOf(repository)}`));
    layersRead = 0;
    const kinds = await kindsOf(repository, options);
    deepEqual(kinds, ['layer-stream-missing', 'layer-stream-missing'], 'both tags are named');
    equal(layersRead, once);
  }));

/** The diff id of a stored layer. */
function layerOf({ root }: Repository): string {
  const name = readdirSync(join(root.label, 'streams')).find((one) => one.startsWith('oci-layer-'));
  return name?.slice('oci-layer-'.length) ?? '';
}
