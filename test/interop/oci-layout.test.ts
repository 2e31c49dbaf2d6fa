/**
 * Layouts that skopeo and umoci write are read here, and layouts that we write are read by them.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { type LocalReference, parsePlatform, parseReference } from '#formats/oci';
import { openImageSource, openImageTarget } from '#stores/oci-layout';
import { needs } from '../support/capability.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/cfsctl/oci/', import.meta.url));
const FROM = `oci:${GOLDEN}two-tags/layout:v2`;
const AMD64 = { platform: parsePlatform('linux/amd64') };

const skopeo = (...words: string[]) =>
  execFileSync('skopeo', ['--insecure-policy', ...words], { encoding: 'utf8', stdio: 'pipe' });

function local(text: string): LocalReference {
  const reference = parseReference(text);
  assert.ok('path' in reference && reference.transport !== 'composefs');
  return reference;
}

/** Manifest digest and config digest, after every layer was read and verified. */
async function read(text: string): Promise<{ manifest: string; config: string }> {
  using source = await openImageSource(local(text));
  const { manifest } = source.resolve(AMD64);
  for (const { digest, sizeBytes } of manifest.layers) {
    assert.equal(source.readBlob(digest).length, sizeBytes);
  }
  return { manifest: manifest.digest, config: manifest.config.digest };
}

async function write(to: string): Promise<void> {
  using source = await openImageSource(local(FROM));
  const { manifest } = source.resolve(AMD64);
  using target = openImageTarget(local(to));
  for (const wanted of [manifest.config, ...manifest.layers]) {
    using blob = target.createBlob(wanted.digest);
    blob.take(source.openBlob(wanted.digest));
    blob.commit(wanted);
  }
  const { mediaType, digest, bytes } = manifest;
  target.commit({ mediaType, digest, sizeBytes: bytes.length, tag: local(to).tag }, bytes);
}

for (const transport of ['oci', 'oci-archive', 'docker-archive', 'dir']) {
  test(`onecopy reads what skopeo writes to ${transport}:`, async (t) => {
    if (!needs(t, 'tool:skopeo')) return;
    using temp = makeTempDir();
    const tag = { dir: '', 'docker-archive': ':example.com/a/b:v2' }[transport] ?? ':v2';
    const to = `${transport}:${temp.path}/out${tag}`;
    skopeo('copy', '--quiet', FROM, to);
    const found = await read(to);
    const original = await read(FROM);
    assert.equal(found.config, original.config);
    // A Docker archive has no manifest of its own, and its layers are plain.
    if (transport !== 'docker-archive') assert.equal(found.manifest, original.manifest);
  });
}

for (const transport of ['oci', 'oci-archive', 'dir']) {
  test(`skopeo reads what onecopy writes to ${transport}:`, async (t) => {
    if (!needs(t, 'tool:skopeo')) return;
    using temp = makeTempDir();
    const to = `${transport}:${temp.path}/out${transport === 'dir' ? '' : ':v2'}`;
    await write(to);
    const raw = Buffer.from(skopeo('inspect', '--raw', to));
    assert.equal(computeContentDigest(raw), (await read(FROM)).manifest);
    skopeo('copy', '--quiet', to, `oci:${temp.path}/again:x`);
    assert.deepEqual(await read(`oci:${temp.path}/again:x`), await read(FROM));
  });
}

test('a Docker schema 2 image keeps the digest of its manifest', async (t) => {
  if (!needs(t, 'tool:skopeo')) return;
  using temp = makeTempDir();
  skopeo('copy', '--quiet', '--format', 'v2s2', FROM, `dir:${temp.path}/docker`);
  const manifest = readFileSync(`${temp.path}/docker/manifest.json`);
  assert.match(manifest.toString(), /distribution\.manifest\.v2\+json/);
  const found = await read(`dir:${temp.path}/docker`);
  assert.equal(found.manifest, computeContentDigest(manifest));
});

test('onecopy reads a layout of umoci, and umoci adds to a layout of onecopy', async (t) => {
  if (!needs(t, 'tool:umoci')) return;
  using temp = makeTempDir();
  const path = `${temp.path}/layout`;
  const umoci = (...words: string[]) => execFileSync('umoci', words, { stdio: 'pipe' });
  umoci('init', '--layout', path);
  await write(`oci:${path}:v2`);
  umoci('new', '--image', `${path}:fresh`);
  assert.deepEqual(await read(`oci:${path}:v2`), await read(FROM));
  assert.ok((await read(`oci:${path}:fresh`)).manifest);
  await write(`oci:${path}:v3`);
  const names = umoci('list', '--layout', path).toString().trim().split('\n');
  assert.deepEqual(names.sort(), ['fresh', 'v2', 'v3']);
});
