import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { computeContentDigest } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { parseImageConfig } from './config.ts';
import { encodeManifest, parseDockerArchive } from './docker-archive.ts';
import { verifyLayoutMarker } from './image-layout.ts';
import { CONFIG_MAX_BYTES, LAYERS_MAX, MANIFEST_MAX_BYTES, MEDIA_TYPES } from './layout.ts';
import { isArtifact, parseManifest } from './manifest.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const BLOB = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: DIGEST, size: 5 };
const CONFIG = { mediaType: MEDIA_TYPES.ociConfig, digest: DIGEST, size: 2 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [BLOB] };
const INDEX = { schemaVersion: 2, manifests: [{ ...BLOB, mediaType: MEDIA_TYPES.ociManifest }] };
const IMAGE = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [DIGEST] },
};

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const parse = (value: unknown, mediaType?: string) => parseManifest(bytesOf(value), mediaType);
const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

test('parseManifest keeps the bytes of the manifest and computes their digest', () => {
  const bytes = Buffer.from(` ${JSON.stringify(MANIFEST)}\n`);
  const manifest = parseManifest(bytes);
  assert.equal(manifest.bytes, bytes);
  assert.equal(manifest.digest, computeContentDigest(bytes));
});

test('parseManifest distinguishes manifests from indexes without a media type', () => {
  assert.equal(parse(MANIFEST).kind, 'manifest');
  assert.equal(parse(INDEX).kind, 'index');
  assert.equal(parse({ schemaVersion: 2, manifests: [] }).kind, 'index');
});

test('parseManifest reads Docker schema 2 manifests and lists unchanged', () => {
  const docker = parse({
    ...MANIFEST,
    mediaType: MEDIA_TYPES.dockerManifest,
    config: { ...CONFIG, mediaType: MEDIA_TYPES.dockerConfig },
  });
  assert.equal(docker.mediaType, MEDIA_TYPES.dockerManifest);
  assert.ok(docker.kind === 'manifest' && !isArtifact(docker));
  assert.equal(parse({ ...INDEX, mediaType: MEDIA_TYPES.dockerList }).kind, 'index');
});

test('parseManifest reads null as an empty index, which umoci writes', () => {
  const index = parse({ schemaVersion: 2, manifests: null }, MEDIA_TYPES.ociIndex);
  assert.deepEqual(index.kind === 'index' && index.manifests, []);
});

test('parseManifest reads platform, annotations, subject and artifact type', () => {
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
  const index = parse({ ...INDEX, manifests: [{ ...INDEX.manifests[0], platform }] });
  assert.deepEqual(index.kind === 'index' && index.manifests[0]?.platform, platform);
  const manifest = parse({
    ...MANIFEST,
    artifactType: 'a/b',
    subject: BLOB,
    annotations: { k: 'v', __proto__x: 'y' },
  });
  assert.ok(manifest.kind === 'manifest');
  assert.equal(manifest.artifactType, 'a/b');
  assert.equal(manifest.subject?.digest, DIGEST);
  assert.equal(manifest.annotations.get('k'), 'v');
});

test('parseManifest treats keys named like object internals as ordinary keys', () => {
  const bytes = Buffer.from(
    `{"schemaVersion":2,"config":${JSON.stringify(CONFIG)},"layers":[],"annotations":{"__proto__":"x","constructor":"y"}}`,
  );
  const { annotations } = parseManifest(bytes);
  assert.deepEqual(
    [...annotations],
    [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ],
  );
});

test('isArtifact is true for any other config type', () => {
  const manifest = parse({ ...MANIFEST, config: { ...CONFIG, mediaType: MEDIA_TYPES.ociEmpty } });
  assert.ok(manifest.kind === 'manifest' && isArtifact(manifest));
});

const withLayer = (change: object) => ({ ...MANIFEST, layers: [{ ...BLOB, ...change }] });
const INVALID: [string, unknown][] = [
  ['no object', 5],
  ['null', null],
  ['an array', []],
  ['no config', { schemaVersion: 2, layers: [] }],
  ['a config that is a string', { ...MANIFEST, config: 'x' }],
  ['layers that are an object', { ...MANIFEST, layers: {} }],
  ['a manifest and an index at once', { ...MANIFEST, ...INDEX }],
  ['an upper-case digest', withLayer({ digest: `sha256:${'A'.repeat(64)}` })],
  ['a digest that is a path', withLayer({ digest: 'sha256:../../etc/passwd' })],
  ['a digest of an unknown algorithm', withLayer({ digest: `md5:${'0'.repeat(32)}` })],
  ['a short digest', withLayer({ digest: 'sha256:00' })],
  ['no digest', withLayer({ digest: undefined })],
  ['a negative size', withLayer({ size: -1 })],
  ['a broken size', withLayer({ size: 1.5 })],
  ['a size beyond 2^53', withLayer({ size: 2 ** 53 })],
  ['a size that is text', withLayer({ size: '5' })],
  ['no media type of a layer', withLayer({ mediaType: undefined })],
  ['annotations that are no strings', { ...MANIFEST, annotations: { a: 1 } }],
  ['annotations that are an array', { ...MANIFEST, annotations: ['a'] }],
  ['too many layers', { ...MANIFEST, layers: Array(LAYERS_MAX + 1).fill(BLOB) }],
  ['a schema version that is text', { ...MANIFEST, schemaVersion: '2' }],
];

for (const [what, document] of INVALID) {
  test(`parseManifest refuses ${what}`, () => {
    assert.throws(() => parse(document), isCode('OCI_DOCUMENT_INVALID'));
  });
}

test('parseManifest refuses a document truncated at any byte', () => {
  const whole = bytesOf(MANIFEST);
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => parseManifest(whole.subarray(0, length)), isCode('OCI_DOCUMENT_INVALID'));
  }
});

test('parseManifest refuses bytes that are not UTF-8', () => {
  const bytes = bytesOf({ ...MANIFEST, annotations: { k: 'X' } });
  bytes[bytes.indexOf('"X"') + 1] = 0xff;
  assert.throws(() => parseManifest(bytes), isCode('OCI_DOCUMENT_INVALID'));
});

test('parseManifest accepts the size limit and refuses one byte more', () => {
  const padded = (length: number) => Buffer.from(JSON.stringify(MANIFEST).padEnd(length));
  assert.equal(parseManifest(padded(MANIFEST_MAX_BYTES)).kind, 'manifest');
  const tooLong = padded(MANIFEST_MAX_BYTES + 1);
  assert.throws(() => parseManifest(tooLong), isCode('OCI_DOCUMENT_TOO_LARGE'));
});

test('parseManifest refuses Docker schema 1 by version and by media type, with a hint', () => {
  for (const attempt of [
    () => parse({ schemaVersion: 1, fsLayers: [] }),
    () => parse({}, MEDIA_TYPES.dockerManifest1Signed),
    () => parse({ mediaType: MEDIA_TYPES.dockerManifest1 }),
  ]) {
    assert.throws(
      attempt,
      (error) => hasCode(error, 'MEDIA_TYPE_UNSUPPORTED') && /schema 1/.test(error.hint ?? ''),
    );
  }
});

test('parseManifest refuses unknown media types', () => {
  assert.throws(() => parse(MANIFEST, 'text/html'), isCode('MEDIA_TYPE_UNSUPPORTED'));
});

test('parseImageConfig reads diff ids, labels, platform and history', () => {
  const bytes = bytesOf({
    ...IMAGE,
    variant: 'v2',
    created: '2023-11-14T22:13:20Z',
    config: { Labels: { a: 'b' } },
    history: [{ created_by: 'x', empty_layer: true }, {}],
  });
  const config = parseImageConfig(bytes);
  assert.deepEqual(config.diffIds, [DIGEST]);
  assert.deepEqual(config.platform, { os: 'linux', architecture: 'amd64', variant: 'v2' });
  assert.deepEqual(config.history, [{ emptyLayer: true, createdBy: 'x' }, { emptyLayer: false }]);
  assert.equal(config.labels.get('a'), 'b');
  assert.equal(config.created, '2023-11-14T22:13:20Z');
  assert.equal(config.digest, computeContentDigest(bytes));
});

test('parseImageConfig accepts null where Go writes it for an absent value', () => {
  const config = parseImageConfig(bytesOf({ ...IMAGE, config: null, history: null }));
  assert.equal(config.labels.size, 0);
  const labels = parseImageConfig(bytesOf({ ...IMAGE, config: { Labels: null } })).labels;
  assert.equal(labels.size, 0);
});

for (const [what, document] of [
  ['no rootfs', {}],
  ['another rootfs type', { ...IMAGE, rootfs: { type: 'tar', diff_ids: [] } }],
  ['a bad diff id', { ...IMAGE, rootfs: { type: 'layers', diff_ids: ['x'] } }],
  ['an architecture that is a number', { ...IMAGE, architecture: 1 }],
] as const) {
  test(`parseImageConfig refuses ${what}`, () => {
    assert.throws(() => parseImageConfig(bytesOf(document)), isCode('OCI_DOCUMENT_INVALID'));
  });
}

test('parseImageConfig refuses a config above the size limit', () => {
  const bytes = new Uint8Array(CONFIG_MAX_BYTES + 1);
  assert.throws(() => parseImageConfig(bytes), isCode('OCI_DOCUMENT_TOO_LARGE'));
});

test('parseDockerArchive reads names, paths and null tags', () => {
  const images = parseDockerArchive(
    bytesOf([
      { Config: 'c.json', RepoTags: ['a:1'], Layers: ['l/layer.tar'] },
      { Config: 'd.json', RepoTags: null, Layers: [] },
    ]),
  );
  assert.deepEqual(images, [
    { configPath: 'c.json', repoTags: ['a:1'], layerPaths: ['l/layer.tar'] },
    { configPath: 'd.json', repoTags: [], layerPaths: [] },
  ]);
});

for (const document of [null, {}, [{}], [{ Config: 1, Layers: [] }], [[]]]) {
  test(`parseDockerArchive refuses ${JSON.stringify(document)}`, () => {
    assert.throws(() => parseDockerArchive(bytesOf(document)), isCode('OCI_DOCUMENT_INVALID'));
  });
}

test('encodeManifest is deterministic, and parseManifest reads its bytes', () => {
  const digest = computeContentDigest(Buffer.from('x'));
  const layer = { digest, sizeBytes: 1, mediaType: MEDIA_TYPES.ociLayer };
  const bytes = encodeManifest({ digest, sizeBytes: 1 }, [layer]);
  const parsed = parseManifest(bytes);
  assert.ok(parsed.kind === 'manifest');
  assert.equal(parsed.mediaType, MEDIA_TYPES.ociManifest);
  assert.equal(parsed.layers[0]?.digest, digest);
  assert.deepEqual(encodeManifest({ digest, sizeBytes: 1 }, [layer]), bytes);
});

test('verifyLayoutMarker accepts version 1 and refuses other versions', () => {
  verifyLayoutMarker(Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  const next = Buffer.from('{"imageLayoutVersion":"2.0.0"}');
  assert.throws(() => verifyLayoutMarker(next), isCode('OCI_LAYOUT_VERSION_UNKNOWN'));
  assert.throws(() => verifyLayoutMarker(Buffer.from('{}')), isCode('OCI_DOCUMENT_INVALID'));
});

const GOLDEN = new URL('../../../test/golden/cfsctl/oci/', import.meta.url);

test('every recorded layout index, manifest and config parses', () => {
  let configs = 0;
  for (const name of readdirSync(GOLDEN)) {
    const layout = new URL(`${name}/layout/`, GOLDEN);
    const index = parseManifest(readFileSync(new URL('index.json', layout)));
    assert.ok(index.kind === 'index');
    for (const { digest } of index.manifests) {
      const blob = (of: string) => readFileSync(new URL(`blobs/${of.replace(':', '/')}`, layout));
      const manifest = parseManifest(blob(digest));
      assert.equal(manifest.digest, digest);
      if (manifest.kind === 'index' || isArtifact(manifest)) continue;
      assert.ok(parseImageConfig(blob(manifest.config.digest)).diffIds.length >= 0);
      configs += 1;
    }
  }
  assert.ok(configs > 30, `${configs} configs`);
});

test('every parser gives a value or a typed error for any flipped byte', () => {
  const samples = [
    bytesOf({ ...MANIFEST, annotations: { a: 'b' } }),
    bytesOf(INDEX),
    bytesOf(IMAGE),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(255), (sample, at, value) => {
      const bytes = Buffer.from(sample);
      bytes[at % bytes.length] = value;
      for (const parser of [parseManifest, parseImageConfig, parseDockerArchive]) {
        try {
          parser(bytes);
        } catch (error) {
          assert.ok(isOnecopyError(error), String(error));
        }
      }
    }),
  );
});
