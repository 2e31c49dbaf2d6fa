import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { computeContentDigest, hexOf, parseContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { MEDIA_TYPES, parsePlatform, parseReference, type ResolvedImage } from '#formats/oci';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { type TestMember, testTar } from '../../../test/support/tar-archive.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { readRange } from './files.ts';
import type { ImageSource } from './index.ts';
import { openImageSource, type SpoolOptions } from './index.ts';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));
const AMD64 = { platform: parsePlatform('linux/amd64') };

type Options = SpoolOptions & { readonly resolve?: boolean };

async function open(text: string, options: SpoolOptions = {}): Promise<ImageSource> {
  const reference = parseReference(text);
  assert.ok('path' in reference && reference.transport !== 'composefs');
  return await openImageSource(reference, options);
}

async function resolve(text: string, options: Options = {}): Promise<ResolvedImage> {
  using source = await open(text, options);
  return source.resolve(AMD64);
}

const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

/** A tar of the files of a directory, for archives of layouts. */
function tarOf(directory: string, into: string): string {
  execFileSync('tar', ['--sort=name', '-C', directory, '-cf', into, '.']);
  return into;
}

const MANIFESTS: [string, string][] = [
  ['basic/layout:latest', 'af9c4727598b7'],
  ['two-tags/layout:v1', '30e978cb847df'],
  ['two-tags/layout:v2', 'd8bf207f471f0'],
  ['two-tags/layout:@1', 'd8bf207f471f0'],
  ['multiarch/layout:latest', '798f9080ee2e1'],
  ['multiarch-flat/layout', '798f9080ee2e1'],
  ['multiarch-nested-notag/layout', '798f9080ee2e1'],
  ['artifact-platform/layout:latest', '385c98807513a'],
  ['artifact/layout:latest', '385c98807513a'],
];

for (const [name, digest] of MANIFESTS) {
  test(`oci:${name} resolves to the manifest ${digest}…, and all its blobs are present`, async () => {
    using _leaks = watchDescriptors();
    using source = await open(`oci:${GOLDEN}${name}`);
    const { manifest, config } = source.resolve(AMD64);
    assert.ok(hexOf(manifest.digest).startsWith(digest));
    assert.equal(config === undefined, name.startsWith('artifact'));
    for (const layer of manifest.layers) {
      const bytes = readRange(source.openBlob(layer.digest, layer.sizeBytes));
      assert.equal(computeContentDigest(bytes), layer.digest);
    }
  });
}

test('another platform of an index is selected on request', async () => {
  using source = await open(`oci:${GOLDEN}multiarch/layout:latest`);
  const { manifest, indexes } = source.resolve({ platform: parsePlatform('linux/arm64') });
  assert.ok(hexOf(manifest.digest).startsWith('b6083530d0739'));
  assert.equal(indexes.length, 1);
});

test('a digest selects a manifest of the index, or one below it', async () => {
  const inner = 'sha256:b6083530d0739f3a5150f59d09fcc7f588e213fb6bf02969f54cbbb310d0baf7';
  using source = await open(`oci:${GOLDEN}multiarch/layout@${inner}`);
  const { manifest } = source.resolve({ platform: parsePlatform('linux/arm64') });
  assert.equal(manifest.digest, inner);
});

const REFUSED: [string, Parameters<typeof hasCode>[1]][] = [
  ['two-tags/layout:v3', 'TAG_NOT_FOUND'],
  ['two-tags/layout:@2', 'TAG_NOT_FOUND'],
  ['quirk-foreign-arch/layout', 'PLATFORM_NOT_FOUND'],
  ['quirk-bad-config/layout:latest', 'BLOB_DIGEST_MISMATCH'],
  ['quirk-diffid-count/layout:latest', 'LAYER_COUNT_MISMATCH'],
  [`basic/layout@sha256:${'0'.repeat(64)}`, 'BLOB_NOT_FOUND'],
  ['nothing', 'IMAGE_SOURCE_NOT_FOUND'],
  ['basic/layout/index.json', 'IMAGE_SOURCE_NOT_FOUND'],
  ['basic', 'OCI_LAYOUT_INVALID'],
];

for (const [name, code] of REFUSED) {
  test(`oci:${name} fails with ${code} and leaves no descriptor open`, async () => {
    using _leaks = watchDescriptors();
    await assert.rejects(resolve(`oci:${GOLDEN}${name}`), isCode(code));
  });
}

test('the error for a missing tag lists the tags of the layout', async () => {
  await assert.rejects(
    resolve(`oci:${GOLDEN}two-tags/layout:v3`),
    (error) => hasCode(error, 'TAG_NOT_FOUND') && error.hint === 'Choose one of: v1, v2',
  );
});

test('a blob of a wrong size is refused before it is read', async () => {
  using source = await open(`oci:${GOLDEN}quirk-bad-blob/layout:latest`);
  const [layer] = source.resolve(AMD64).manifest.layers;
  assert.ok(layer !== undefined);
  const attempt = () => source.openBlob(layer.digest, layer.sizeBytes);
  assert.throws(attempt, isCode('BLOB_SIZE_MISMATCH'));
});

test('readBlob refuses bytes that do not match the digest', async () => {
  using source = await open(`oci:${GOLDEN}quirk-bad-blob-same-size/layout:latest`);
  const digest = source.resolve(AMD64).manifest.layers[0]?.digest;
  assert.ok(digest !== undefined);
  assert.throws(() => source.readBlob(digest), isCode('BLOB_DIGEST_MISMATCH'));
  assert.throws(() => source.readBlob(digest, 10), isCode('OCI_DOCUMENT_TOO_LARGE'));
});

test('a blob that is a fifo or a directory is refused without waiting', async () => {
  using temp = makeTempDir();
  execFileSync('cp', ['-r', `${GOLDEN}basic/layout`, `${temp.path}/l`]);
  const digest = parseContentDigest(`sha256:${'1'.repeat(64)}`);
  execFileSync('mkfifo', [`${temp.path}/l/blobs/sha256/${hexOf(digest)}`]);
  const folder = parseContentDigest(`sha256:${'2'.repeat(64)}`);
  mkdirSync(`${temp.path}/l/blobs/sha256/${hexOf(folder)}`);
  using source = await open(`oci:${temp.path}/l`);
  assert.throws(() => source.openBlob(digest), isCode('OCI_LAYOUT_INVALID'));
  assert.throws(() => source.openBlob(folder), isCode('OCI_LAYOUT_INVALID'));
});

test('an index above the size limit is not read', async () => {
  using temp = makeTempDir();
  writeFileSync(`${temp.path}/index.json`, Buffer.alloc(4 * 1024 * 1024 + 1, ' '));
  await assert.rejects(resolve(`oci:${temp.path}`), isCode('OCI_DOCUMENT_TOO_LARGE'));
});

test('a layout of another version is refused', async () => {
  using temp = makeTempDir();
  writeFileSync(`${temp.path}/oci-layout`, '{"imageLayoutVersion":"2.0.0"}');
  writeFileSync(`${temp.path}/index.json`, '{"schemaVersion":2,"manifests":[]}');
  await assert.rejects(resolve(`oci:${temp.path}`), isCode('OCI_LAYOUT_VERSION_UNKNOWN'));
});

test('an OCI archive gives the image of its layout, uncompressed, with gzip or with zstd', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const plain = tarOf(`${GOLDEN}two-tags/layout`, `${temp.path}/a.tar`);
  writeFileSync(`${temp.path}/a.tgz`, gzipSync(readFileSync(plain)));
  writeFileSync(`${temp.path}/a.zst`, zstdCompressSync(readFileSync(plain)));
  for (const name of ['a.tar', 'a.tgz', 'a.zst']) {
    using source = await open(`oci-archive:${temp.path}/${name}:v2`);
    const { manifest } = source.resolve(AMD64);
    assert.ok(hexOf(manifest.digest).startsWith('d8bf207f471f0'), name);
    for (const { digest, sizeBytes } of manifest.layers) {
      assert.equal(source.readBlob(digest).length, sizeBytes);
    }
  }
});

test('unpacking a compressed archive stops at its limit', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const path = `${temp.path}/bomb.tgz`;
  writeFileSync(path, gzipSync(Buffer.alloc(8 * 1024 * 1024)));
  await assert.rejects(
    open(`oci-archive:${path}`, { spoolLimitBytes: 1024 * 1024 }),
    isCode('ARCHIVE_TOO_LARGE'),
  );
});

test('a compressed archive that is damaged or truncated is refused', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const tar = testTar([{ name: 'a', content: 'x'.repeat(100_000) }]);
  for (const packed of [gzipSync(tar), zstdCompressSync(tar)]) {
    const path = `${temp.path}/damaged`;
    for (const bytes of [
      packed.subarray(0, packed.length - 6),
      Buffer.from(packed).fill(0, 12, 40),
    ]) {
      writeFileSync(path, bytes);
      await assert.rejects(open(`oci-archive:${path}`), isCode('ARCHIVE_INVALID'));
    }
  }
});

test('unpacking stops when the signal aborts', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  writeFileSync(`${temp.path}/a.tgz`, gzipSync(testTar([{ name: 'a' }])));
  const reason = new Error('enough');
  const options = { signal: AbortSignal.abort(reason) };
  await assert.rejects(
    open(`oci-archive:${temp.path}/a.tgz`, options),
    (error) => error === reason,
  );
});

for (const [name, code] of [
  ['nothing/x.tar', 'IMAGE_SOURCE_NOT_FOUND'],
  ['nothing.tar', 'IMAGE_SOURCE_NOT_FOUND'],
  ['basic/layout', 'IMAGE_SOURCE_NOT_FOUND'],
  ['basic/layout/index.json', 'ARCHIVE_INVALID'],
] as const) {
  test(`oci-archive:${name} fails with ${code}`, async () => {
    using _leaks = watchDescriptors();
    await assert.rejects(resolve(`oci-archive:${GOLDEN}${name}`), isCode(code));
  });
}

test('archives packed with xz or bzip2 are refused as unsupported', async () => {
  using temp = makeTempDir();
  writeFileSync(`${temp.path}/a`, 'BZh91AY&SY');
  await assert.rejects(open(`oci-archive:${temp.path}/a`), isCode('COMPRESSION_UNSUPPORTED'));
});

test('dir: finds the manifest and blobs of both versions of its layout', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const layout = `${GOLDEN}basic/layout`;
  const { manifest } = await resolve(`oci:${layout}`);
  const blob = (digest: string) => readFileSync(`${layout}/blobs/${digest.replace(':', '/')}`);
  writeFileSync(`${temp.path}/manifest.json`, manifest.bytes);
  writeFileSync(`${temp.path}/${hexOf(manifest.config.digest)}`, blob(manifest.config.digest));
  const [layer] = manifest.layers;
  assert.ok(layer !== undefined);
  writeFileSync(`${temp.path}/${hexOf(layer.digest)}.tar`, blob(layer.digest));
  using source = await open(`dir:${temp.path}`);
  const found = source.resolve(AMD64);
  assert.deepEqual(found.manifest.digest, manifest.digest);
  assert.equal(source.readBlob(layer.digest).length, layer.sizeBytes);
  assert.deepEqual(source.readBlob(manifest.digest), new Uint8Array(manifest.bytes));
  assert.equal(source.listImages()[0]?.digest, manifest.digest);
});

test('dir: reads the manifests of a list beside it', async () => {
  using temp = makeTempDir();
  const layout = `${GOLDEN}multiarch/layout`;
  const blob = (hex: string) => readFileSync(`${layout}/blobs/sha256/${hex}`);
  const { indexes, manifest } = await resolve(`oci:${layout}:latest`);
  assert.ok(indexes[0] !== undefined);
  writeFileSync(`${temp.path}/manifest.json`, indexes[0].bytes);
  writeFileSync(`${temp.path}/${hexOf(manifest.digest)}.manifest.json`, manifest.bytes);
  writeFileSync(
    `${temp.path}/${hexOf(manifest.config.digest)}`,
    blob(hexOf(manifest.config.digest)),
  );
  const found = await resolve(`dir:${temp.path}`);
  assert.equal(found.manifest.digest, manifest.digest);
  assert.equal(found.indexes.length, 1);
});

const LAYER_1 = testTar([{ name: 'usr/', flag: '5' }]);
const LAYER_2 = testTar([{ name: 'usr/file', content: 'hello' }]);
const CONFIG = Buffer.from(
  JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: {
      type: 'layers',
      diff_ids: [computeContentDigest(LAYER_1), computeContentDigest(LAYER_2)],
    },
  }),
);

/** A Docker archive whose layers have these names and links. */
function dockerArchive(
  path: string,
  members: readonly TestMember[],
  images: readonly object[],
): string {
  const index = { name: 'manifest.json', content: JSON.stringify(images) };
  writeFileSync(path, testTar([...members, { name: 'c.json', content: CONFIG }, index]));
  return path;
}

const DOCKER_IMAGE = {
  Config: 'c.json',
  RepoTags: ['docker.io/library/x:1'],
  Layers: ['1.tar', 'd/layer.tar'],
};
const DOCKER_MEMBERS: TestMember[] = [
  { name: '1.tar', content: LAYER_1 },
  { name: '2.tar', content: LAYER_2 },
  { name: 'd/layer.tar', flag: '2', link: '../2.tar' },
];

test('a Docker archive gives an OCI manifest of its config and layers, the same each time', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const path = dockerArchive(`${temp.path}/a.tar`, DOCKER_MEMBERS, [DOCKER_IMAGE]);
  using source = await open(`docker-archive:${path}`);
  const { manifest, configBytes } = source.resolve(AMD64);
  assert.equal(manifest.mediaType, MEDIA_TYPES.ociManifest);
  assert.deepEqual(Buffer.from(configBytes), CONFIG);
  assert.deepEqual(
    manifest.layers.map((layer) => [layer.mediaType, layer.digest, layer.sizeBytes]),
    [LAYER_1, LAYER_2].map((bytes) => [
      MEDIA_TYPES.ociLayer,
      computeContentDigest(bytes),
      bytes.length,
    ]),
  );
  assert.deepEqual(source.readBlob(computeContentDigest(LAYER_2)), new Uint8Array(LAYER_2));
  assert.equal((await resolve(`docker-archive:${path}`)).manifest.digest, manifest.digest);
  assert.deepEqual(source.listImages()[0]?.names, ['docker.io/library/x:1']);
  assert.equal(source.readBlob(manifest.digest).length, manifest.bytes.length);
});

test('a layout of several images without a selector is refused, and the error lists the selectors', async () => {
  using temp = makeTempDir();
  const layout = `${GOLDEN}two-tags/layout`;
  const archive = tarOf(layout, `${temp.path}/a.tar`);
  for (const reference of [`oci:${layout}`, `oci-archive:${archive}`]) {
    await assert.rejects(resolve(reference), (error) => {
      assert.ok(hasCode(error, 'IMAGE_AMBIGUOUS'));
      assert.deepEqual(error.details, { available: ['v1', 'v2'] });
      return true;
    });
  }
  const [first, second] = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')).manifests;
  const bare = { ...first, annotations: {} };
  const platform = { os: 'linux', architecture: 'amd64' };
  const other = { ...second, annotations: {}, platform: { os: 'linux', architecture: 'arm64' } };
  const attestation = { ...second, platform: { os: 'unknown', architecture: 'unknown' } };
  const cases: readonly [manifests: readonly object[], available: readonly string[]][] = [
    [
      [first, { ...second, annotations: {} }],
      ['v1', '@1'],
    ],
    [
      [bare, other],
      ['@0', '@1'],
    ],
    [[first, { ...first, annotations: second.annotations }], []],
    [[{ ...bare, platform }, other], []],
    [[first, attestation], []],
  ];
  execFileSync('cp', ['-r', `${layout}/.`, `${temp.path}/l`]);
  for (const [manifests, available] of cases) {
    writeFileSync(`${temp.path}/l/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));
    const outcome = resolve(`oci:${temp.path}/l`);
    if (available.length === 0) {
      assert.equal((await outcome).manifest.digest, first.digest);
    } else {
      const { code, details } = await outcome.then(
        () => assert.fail(),
        (error) => error,
      );
      assert.deepEqual([code, details], ['IMAGE_AMBIGUOUS', { available }]);
    }
  }
});

test('an image of a Docker archive is selected by name, tag, position or digest', async () => {
  using temp = makeTempDir();
  const second = {
    ...DOCKER_IMAGE,
    RepoTags: ['quay.io/y:2', 'z:latest'],
    Layers: ['1.tar', '2.tar'],
  };
  const path = dockerArchive(`${temp.path}/a.tar`, DOCKER_MEMBERS, [DOCKER_IMAGE, second]);
  const { digest } = (await resolve(`docker-archive:${path}:@0`)).manifest;
  for (const selector of ['x:1', 'docker.io/library/x:1', '1', 'quay.io/y:2', 'z', 'z:latest']) {
    assert.ok(await resolve(`docker-archive:${path}:${selector}`), selector);
  }
  await assert.rejects(resolve(`docker-archive:${path}`), isCode('IMAGE_AMBIGUOUS'));
  assert.equal((await resolve(`docker-archive:${path}@${digest}`)).manifest.digest, digest);
  await assert.rejects(resolve(`docker-archive:${path}:y:1`), isCode('TAG_NOT_FOUND'));
  await assert.rejects(resolve(`docker-archive:${path}:@2`), isCode('TAG_NOT_FOUND'));
});

test('a compressed layer of a Docker archive keeps the digest of its stored bytes', async () => {
  using temp = makeTempDir();
  const packed = gzipSync(LAYER_2);
  const digest = computeContentDigest(packed);
  const named = `blobs/sha256/${hexOf(digest)}`;
  const members = [
    { name: '1.tar', content: LAYER_1 },
    { name: named, content: packed },
    { name: 'other', content: packed },
  ];
  for (const layer of [named, 'other']) {
    const image = { ...DOCKER_IMAGE, Layers: ['1.tar', layer] };
    const path = dockerArchive(`${temp.path}/a.tar`, members, [image]);
    const { manifest } = await resolve(`docker-archive:${path}`);
    assert.equal(manifest.layers[1]?.digest, digest);
    assert.equal(manifest.layers[1]?.mediaType, MEDIA_TYPES.ociLayerGzip);
  }
});

const BAD_ARCHIVES: [string, TestMember[], object[], Parameters<typeof hasCode>[1]][] = [
  ['no such layer', [], [DOCKER_IMAGE], 'OCI_LAYOUT_INVALID'],
  [
    'a layer that links out of the archive',
    [{ name: '1.tar', flag: '2', link: '../../etc/passwd' }],
    [DOCKER_IMAGE],
    'OCI_LAYOUT_INVALID',
  ],
  [
    'a layer path out of the archive',
    DOCKER_MEMBERS,
    [{ ...DOCKER_IMAGE, Layers: ['../../etc/passwd', '1.tar'] }],
    'OCI_LAYOUT_INVALID',
  ],
  [
    'too few layers',
    DOCKER_MEMBERS,
    [{ ...DOCKER_IMAGE, Layers: ['1.tar'] }],
    'LAYER_COUNT_MISMATCH',
  ],
  ['no images', DOCKER_MEMBERS, [], 'TAG_NOT_FOUND'],
  ['no config', DOCKER_MEMBERS, [{ ...DOCKER_IMAGE, Config: 'no.json' }], 'OCI_LAYOUT_INVALID'],
  [
    'a layer packed with xz',
    [...DOCKER_MEMBERS, { name: '1.tar', content: Buffer.from('fd377a585a00', 'hex') }],
    [DOCKER_IMAGE],
    'COMPRESSION_UNSUPPORTED',
  ],
];

for (const [what, members, images, code] of BAD_ARCHIVES) {
  test(`a Docker archive with ${what} fails with ${code}`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    const path = dockerArchive(`${temp.path}/a.tar`, members, images);
    await assert.rejects(resolve(`docker-archive:${path}`), isCode(code));
  });
}

test('the error for a wrong transport names the right one', async () => {
  using temp = makeTempDir();
  const path = tarOf(`${GOLDEN}basic/layout`, `${temp.path}/a.tar`);
  for (const [text, hint] of [
    [`docker-archive:${path}`, /oci-archive:/],
    [`dir:${GOLDEN}basic/layout`, /oci:/],
    [`oci:${path}`, /oci-archive:/],
    [`oci-archive:${GOLDEN}basic/layout`, /oci:/],
  ] as const) {
    await assert.rejects(
      resolve(text),
      (error) => error instanceof Error && 'hint' in error && hint.test(String(error.hint)),
    );
  }
});

test('a layout is read through a symbolic link', async () => {
  using temp = makeTempDir();
  symlinkSync(`${GOLDEN}basic/layout`, `${temp.path}/link`);
  assert.ok(await resolve(`oci:${temp.path}/link`));
});
