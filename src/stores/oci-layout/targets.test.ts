import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { type LocalReference, parsePlatform, parseReference } from '#formats/oci';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { type ImageTarget, openImageSource, openImageTarget } from './index.ts';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));
const AMD64 = { platform: parsePlatform('linux/amd64') };

function local(text: string): LocalReference {
  const reference = parseReference(text);
  assert.ok('path' in reference && reference.transport !== 'composefs');
  return reference;
}

/** Copies an image blob by blob and returns the methods of its layers. */
async function copy(from: string, to: string): Promise<string[]> {
  using source = await openImageSource(local(from));
  const { manifest } = source.resolve(AMD64);
  using target = openImageTarget(local(to));
  const methods: string[] = [];
  for (const wanted of [manifest.config, ...manifest.layers]) {
    const present = target.findBlob(wanted.digest, wanted.sizeBytes);
    if (present !== undefined) {
      methods.push(present.method);
      continue;
    }
    using blob = target.createBlob(wanted.digest);
    blob.take(source.openBlob(wanted.digest));
    methods.push(blob.commit(wanted).method);
  }
  const { mediaType, digest, bytes } = manifest;
  target.commit({ mediaType, digest, sizeBytes: bytes.length, tag: local(to).tag }, bytes);
  return methods;
}

async function digestOf(text: string): Promise<string> {
  using source = await openImageSource(local(text));
  const { manifest } = source.resolve(AMD64);
  for (const { digest, sizeBytes } of manifest.layers) {
    assert.equal(source.readBlob(digest).length, sizeBytes);
  }
  return manifest.digest;
}

const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);
const index = (path: string) => JSON.parse(readFileSync(`${path}/index.json`, 'utf8'));

for (const transport of ['oci', 'oci-archive', 'dir'] as const) {
  test(`an image copied to ${transport}: has the same manifest, config and layers`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    const from = `oci:${GOLDEN}two-tags/layout:v2`;
    const to = `${transport}:${temp.path}/out${transport === 'dir' ? '' : ':v2'}`;
    await copy(from, to);
    assert.equal(await digestOf(to), await digestOf(from));
  });
}

test('a second image shares existing blobs, and both tags are kept', async () => {
  using temp = makeTempDir();
  const to = `oci:${temp.path}/out`;
  await copy(`oci:${GOLDEN}two-tags/layout:v1`, `${to}:v1`);
  const methods = await copy(`oci:${GOLDEN}two-tags/layout:v2`, `${to}:v2`);
  assert.equal(methods[1], 'present');
  assert.notEqual(methods[2], 'present');
  assert.notEqual(await digestOf(`${to}:v1`), await digestOf(`${to}:v2`));
});

test('a tag moves to the last written image', async () => {
  using temp = makeTempDir();
  const to = `oci:${temp.path}/out:latest`;
  await copy(`oci:${GOLDEN}two-tags/layout:v1`, to);
  await copy(`oci:${GOLDEN}two-tags/layout:v2`, to);
  assert.equal(index(`${temp.path}/out`).manifests.length, 1);
  assert.equal(await digestOf(to), await digestOf(`oci:${GOLDEN}two-tags/layout:v2`));
});

test('an image without a tag is listed once, and a tag replaces the entry without one', async () => {
  using temp = makeTempDir();
  const from = `oci:${GOLDEN}basic/layout:latest`;
  await copy(from, `oci:${temp.path}/out`);
  await copy(from, `oci:${temp.path}/out`);
  assert.equal(index(`${temp.path}/out`).manifests.length, 1);
  await copy(from, `oci:${temp.path}/out:x`);
  assert.equal(index(`${temp.path}/out`).manifests.length, 1);
  await copy(from, `oci:${temp.path}/out:y`);
  assert.equal(index(`${temp.path}/out`).manifests.length, 2);
});

test('entries of other tools in an index are kept', async () => {
  using temp = makeTempDir();
  const path = `${temp.path}/out`;
  await copy(`oci:${GOLDEN}basic/layout:latest`, `oci:${path}:a`);
  const changed = { ...index(path), 'x-other': [1] };
  changed.manifests[0]['x-more'] = { deep: true };
  writeFileSync(`${path}/index.json`, JSON.stringify(changed));
  await copy(`oci:${GOLDEN}labelled/layout:latest`, `oci:${path}:b`);
  assert.deepEqual(index(path)['x-other'], [1]);
  assert.deepEqual(index(path).manifests[0]['x-more'], { deep: true });
});

test('an existing blob of a wrong size is replaced', async () => {
  using temp = makeTempDir();
  const path = `${temp.path}/out`;
  await copy(`oci:${GOLDEN}basic/layout:latest`, `oci:${path}:a`);
  for (const name of readdirSync(`${path}/blobs/sha256`))
    writeFileSync(`${path}/blobs/sha256/${name}`, 'x');
  await copy(`oci:${GOLDEN}basic/layout:latest`, `oci:${path}:a`);
  assert.ok(await digestOf(`oci:${path}:a`));
});

const digest = computeContentDigest(Buffer.from('right'));

/** A target of each kind with a blob that does not match. */
for (const transport of ['oci', 'oci-archive', 'dir'] as const) {
  test(`a blob with wrong bytes is not stored in ${transport}:`, () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using target = openImageTarget(local(`${transport}:${temp.path}/out`));
    const attempt = (bytes: string) => {
      using blob = target.createBlob(digest);
      blob.write(Buffer.from(bytes));
      blob.commit({ digest, sizeBytes: 5 });
    };
    assert.throws(() => attempt('wrong'), isCode('BLOB_DIGEST_MISMATCH'));
    assert.throws(() => attempt('longer'), isCode('BLOB_SIZE_MISMATCH'));
    assert.equal(target.findBlob(digest, 5), undefined);
    attempt('right');
    assert.equal(target.findBlob(digest, 5)?.method, 'present');
    const commitOther = (to: ImageTarget) =>
      to.commit({ mediaType: '', digest, sizeBytes: 5 }, Buffer.from('wrong'));
    assert.throws(() => commitOther(target), isCode('BLOB_DIGEST_MISMATCH'));
  });
}

test('targets that are not committed leave neither image nor archive', () => {
  using temp = makeTempDir();
  for (const transport of ['oci', 'oci-archive', 'dir'] as const) {
    using target = openImageTarget(local(`${transport}:${temp.path}/${transport}`));
    using blob = target.createBlob();
    blob.write(Buffer.from('abc'));
  }
  assert.ok(!existsSync(`${temp.path}/oci/index.json`));
  assert.deepEqual(readdirSync(`${temp.path}/oci/blobs`), []);
  assert.ok(!existsSync(`${temp.path}/oci-archive`));
  assert.deepEqual(readdirSync(`${temp.path}/dir`), ['version']);
});

for (const transport of ['oci', 'dir'] as const) {
  test(`${transport}: refuses a directory with other files`, () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    writeFileSync(`${temp.path}/precious`, 'x');
    const attempt = () => openImageTarget(local(`${transport}:${temp.path}`));
    assert.throws(attempt, isCode('TARGET_NOT_EMPTY'));
    assert.deepEqual(readdirSync(temp.path), ['precious']);
  });
}

test('docker-archive: is refused as a target', () => {
  const attempt = () => openImageTarget(local('docker-archive:/tmp/x'));
  assert.throws(attempt, isCode('TARGET_UNSUPPORTED'));
});

test('an archive of the same image has the same bytes, and GNU tar unpacks it', async () => {
  using temp = makeTempDir();
  const from = `oci:${GOLDEN}basic/layout:latest`;
  await copy(from, `oci-archive:${temp.path}/a.tar:x`);
  await copy(from, `oci-archive:${temp.path}/b.tar:x`);
  assert.ok(readFileSync(`${temp.path}/a.tar`).equals(readFileSync(`${temp.path}/b.tar`)));
  mkdirSync(`${temp.path}/out`);
  execFileSync('tar', ['-xf', `${temp.path}/a.tar`, '-C', `${temp.path}/out`]);
  assert.equal(await digestOf(`oci:${temp.path}/out:x`), await digestOf(from));
});

test('a blob with a SHA-512 digest is stored under that digest', async () => {
  using temp = makeTempDir();
  const bytes = Buffer.from('sha512 blob');
  const long = computeContentDigest(bytes, 'sha512');
  for (const transport of ['oci', 'oci-archive'] as const) {
    const to = local(`${transport}:${temp.path}/${transport}`);
    const manifest = Buffer.from('{"schemaVersion":2,"manifests":[]}');
    {
      using target = openImageTarget(to);
      using blob = target.createBlob(long);
      blob.write(bytes);
      blob.commit({ digest: long });
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const named = computeContentDigest(manifest);
      target.commit({ mediaType, digest: named, sizeBytes: manifest.length }, manifest);
    }
    using source = await openImageSource(to);
    assert.deepEqual(source.readBlob(long), new Uint8Array(bytes));
  }
});
